/**
 * The web player: a viewer's feed, one clip at a time, a page of what rises, and one to upload clips.
 *
 * Belongs here: who watches, which view is shown, and keys. The column of clips: reel.js. The page of what rises:
 * rising.js. Uploading: upload.js. Plain modules: there is nothing to build (docs/decisions/0038).
 */

import { newId, recall, remember } from "./memory.js";
import { Outbox } from "./outbox.js";
import { Reel } from "./reel.js";
import { showRising } from "./rising.js";
import * as sheets from "./sheets.js";
import { Feed, Listed } from "./sources.js";
import { UploadPage } from "./upload.js";

/** @param {string} id @returns {any} */
const element = (id) => document.getElementById(id);

const query = new URLSearchParams(location.search);
const named = query.get("viewer");
if (named !== null) {
  if (!named || sheets.ID.test(named)) remember("viewer", named);
  // Whoever is given this address stays who they are.
  const address = new URL(location.href);
  address.searchParams.delete("viewer");
  history.replaceState(null, "", address);
}
/** Whom the person chose to be; empty for a stranger. */
const chosen = recall("viewer", "");
if (!chosen && !recall("stranger", "")) remember("stranger", `guest-${newId().slice(0, 12)}`);
const viewer = chosen || recall("stranger", "");
const outbox = new Outbox(viewer);

/** @type {?Reel} */
let feed = null;
/** @type {?Reel} What rises, from the video that was chosen on. */
let risen = null;
/** @type {?Reel} */
let shown = null;
/** @type {import("./api.js").Clip[]} */
let rising = [];
/** @type {?UploadPage} */
let uploading = null;

/** Show what the address says: the feed, `#upload`, `#trending`, or `#trending/<video>`. */
async function route() {
  const [view, video] = location.hash.slice(1).split("/");
  const [isTrending, isUpload] = [view === "trending", view === "upload"];
  const isFeed = !isTrending && !isUpload;
  for (const [name, is] of Object.entries({ feed: isFeed, trending: isTrending, upload: isUpload })) {
    if (is) element(`to-${name}`).setAttribute("aria-current", "page");
    else element(`to-${name}`).removeAttribute("aria-current");
  }
  shown?.rest(true);
  shown = null;
  element("feed").hidden = !isFeed;
  element("upload").hidden = !isUpload;
  element("rising").hidden = !isTrending || Boolean(video);
  element("risen").hidden = !isTrending || !video;
  document.body.classList.toggle("is-reading", isUpload || (isTrending && !video));
  risen?.close();
  risen = null;
  if (isUpload) {
    document.title = "Upload · Reelmill";
    uploading ??= new UploadPage(element("upload"), viewer);
    return;
  }
  if (isFeed) {
    feed ??= new Reel(element("feed"), new Feed(viewer, query.get("video")), viewer, outbox);
    shown = feed;
    feed.rest(document.hidden);
    return;
  }
  if (!video) document.title = "Trending · Reelmill";
  const { hash } = location;
  if (!video || !rising.length) rising = await showRising(element("rising"));
  if (!video || location.hash !== hash) return;
  const from = rising.findIndex((clip) => encodeURIComponent(clip.video_id) === video);
  if (from < 0) return void location.replace("#trending");
  risen = new Reel(element("risen"), new Listed(rising.slice(from)), viewer, outbox);
  shown = risen;
}

/** @param {KeyboardEvent} event */
function pressed(event) {
  const target = /** @type {HTMLElement} */ (event.target);
  if (!shown || event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  const act = {
    ArrowDown: () => shown?.go(1),
    PageDown: () => shown?.go(1),
    ArrowUp: () => shown?.go(-1),
    PageUp: () => shown?.go(-1),
    m: () => shown?.toggleSound(),
    l: () => shown?.like(),
    // A button that has the focus is what a person presses by it.
    ...(target.closest("button, a") ? {} : { " ": () => shown?.togglePause() }),
  }[event.key];
  if (!act || (event.repeat && event.key.length === 1)) return;
  event.preventDefault();
  act();
}

/** What is not told before a page goes out of sight is never told: a phone ends it without another word. */
function rest() {
  shown?.rest(document.hidden);
  if (document.hidden) outbox.sendLast();
}

element("who-name").textContent = chosen || "Guest";
element("to-who").addEventListener("click", () =>
  sheets.who(chosen, (id) => {
    remember("viewer", id);
    location.assign("/");
  }),
);
element("up").addEventListener("click", () => shown?.go(-1));
element("down").addEventListener("click", () => shown?.go(1));
addEventListener("keydown", pressed);
addEventListener("visibilitychange", rest);
addEventListener("pagehide", () => {
  shown?.rest(true);
  outbox.sendLast();
});
addEventListener("pageshow", (event) => event.persisted && shown?.rest(false));
addEventListener("hashchange", route);
route();
