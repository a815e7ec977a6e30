/**
 * What lies over the player for a moment: why a clip is here, what to mute of it, who watches, a link to hand on, and one
 * line of news.
 *
 * Belongs here: these dialogs and their words.
 *
 * @typedef {import("./api.js").Clip} Clip
 */

const SHOWN_MS = 3_000;
/** As serving/ids.py has it. */
export const ID = /^(?!\.{1,2}$)[^\x00-\x1f\x7f/]{1,128}$/u;

/** @param {string} id @returns {any} */
const element = (id) => document.getElementById(id);
/** @type {number | undefined} */
let silence;

for (const dialog of document.querySelectorAll("dialog"))
  dialog.addEventListener("click", (event) => {
    // A click beside the sheet is one on the dialog itself.
    const isAside = event.target === dialog && !isWithin(event, dialog.getBoundingClientRect());
    if (isAside || /** @type {Element} */ (event.target).closest("[data-close]")) dialog.close();
  });

/** Say one line for some seconds; a reader of screens says it too. @param {string} text */
export function say(text) {
  const toast = element("toast");
  toast.textContent = text;
  toast.classList.add("is-shown");
  clearTimeout(silence);
  silence = setTimeout(() => toast.classList.remove("is-shown"), SHOWN_MS);
}

/** @param {Clip} clip */
export function why({ reason, position, feed_version, propensity }) {
  element("why-reason").textContent = reason;
  element("why-chance").hidden = typeof propensity !== "number";
  element("why-place").textContent =
    feed_version === undefined ? "" : `Place ${(position ?? 0) + 1} of the feed ${feed_version}.`;
  element("why").showModal();
}

/**
 * What is wanted no more: who made a clip, or a hashtag of it.
 *
 * @typedef {object} Mute
 * @property {string} video_id The clip that says who made it.
 * @property {?string} hashtag Null for who made it.
 * @property {string} subject As people read it.
 */

/**
 * Ask what of a clip is wanted no more, or what that was muted is wanted again.
 *
 * @param {Clip} clip @param {Mute[]} muted
 * @param {(one: Mute) => void} choose @param {(one: Mute) => void} unmute
 */
export function mute({ video_id, user_id, hashtags }, muted, choose, unmute) {
  const subjects = [
    { video_id, hashtag: null, subject: `@${user_id}` },
    ...(hashtags ?? []).map((hashtag) => ({ video_id, hashtag, subject: `#${hashtag}` })),
  ];
  element("mute-subjects").replaceChildren(...subjects.map((one) => choice(one, choose)));
  element("muted").replaceChildren(...muted.map((one) => choice(one, unmute)));
  element("muted-title").hidden = !muted.length;
  element("mute").showModal();
}

/** @param {Mute} one @param {(one: Mute) => void} choose */
function choice(one, choose) {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = one.subject;
  button.addEventListener("click", () => {
    element("mute").close();
    choose(one);
  });
  return button;
}

/**
 * Hand on a link by which anybody sees the clip first.
 *
 * @param {Clip} clip @returns {Promise<boolean>} Whether it was.
 */
export async function share({ video_id, title }) {
  const url = `${location.origin}/?video=${encodeURIComponent(video_id)}`;
  try {
    if (navigator.share) await navigator.share({ title, url });
    else {
      await navigator.clipboard.writeText(url);
      say("The link is copied.");
    }
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") return false; // The person thought better of it.
    element("link-address").value = url;
    element("link").showModal();
    element("link-address").select();
  }
  return true;
}

/**
 * Ask who watches.
 *
 * @param {string} viewer Who does now; empty for a stranger. @param {(viewer: string) => void} choose Empty for a stranger.
 */
export function who(viewer, choose) {
  const [dialog, form, field, problem] = ["who", "who-form", "who-id", "who-problem"].map(element);
  field.value = viewer;
  problem.textContent = "";
  form.onsubmit = (/** @type {SubmitEvent} */ event) => {
    event.preventDefault();
    const id = event.submitter?.id === "who-stranger" ? "" : field.value.trim();
    if (id && !ID.test(id)) problem.textContent = "An id has 1 to 128 characters, none of them a slash.";
    else choose(id);
  };
  dialog.showModal();
}

/** @param {MouseEvent} event @param {DOMRect} box */
function isWithin(event, box) {
  return event.clientX >= box.left && event.clientX <= box.right && event.clientY >= box.top && event.clientY <= box.bottom;
}
