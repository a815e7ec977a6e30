/**
 * Wheels, taps and buttons over a reel, in words: one step, one tap, two taps, one act.
 *
 * Belongs here: telling them apart. Swipes need nothing: the browser scrolls. What each of them does: reel.js.
 *
 * @typedef {object} Meanings
 * @property {(step: number) => void} step 1 for the next clip, -1 for the one before.
 * @property {() => void} tap
 * @property {(x: number, y: number) => void} doubleTap Where, in pixels of the window.
 * @property {(act: string) => void} act What a button says that it does (`data-act`).
 */

const DOUBLE_TAP_MS = 260;
/** What a wheel or a trackpad makes of one push is one step: until nothing has come for so long. */
const WHEEL_QUIET_MS = 120;

/** @param {HTMLElement} root @param {Meanings} meanings They take the place of earlier ones. */
export function listen(root, { step, tap, doubleTap, act }) {
  let wheeledAt = 0;
  let tappedAt = -DOUBLE_TAP_MS;
  /** @type {number | undefined} */
  let waiting;

  root.onwheel = (event) => {
    if (event.ctrlKey) return; // It makes the page larger.
    event.preventDefault();
    const isNew = event.timeStamp - wheeledAt > WHEEL_QUIET_MS;
    wheeledAt = event.timeStamp;
    if (isNew && event.deltaY) step(Math.sign(event.deltaY));
  };

  root.onclick = (event) => {
    const pressed = /** @type {HTMLElement} */ (event.target).closest("[data-act]")?.getAttribute("data-act");
    if (!pressed) return;
    if (pressed !== "tap") return act(pressed);
    clearTimeout(waiting);
    const isByKey = event.detail === 0;
    if (isByKey) tap();
    else if (event.timeStamp - tappedAt < DOUBLE_TAP_MS) doubleTap(event.clientX, event.clientY);
    else waiting = setTimeout(tap, DOUBLE_TAP_MS);
    tappedAt = event.timeStamp;
  };
}
