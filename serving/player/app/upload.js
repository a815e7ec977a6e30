/**
 * The page on which somebody uploads a clip, sees how far it is, and then what becomes of it.
 *
 * Belongs here: the form, its words, and what of an upload outlives a visit. Sending: tus.js.
 *
 * @typedef {object} Kept An upload under way, as the browser remembers it.
 * @property {string} address
 * @property {string} viewer Who uploads.
 * @property {string} name Of the file, by which it is known again after a reload.
 * @property {number} size
 * @property {number} modified
 */

import { get, Problem } from "./api.js";
import { recall, remember } from "./memory.js";
import { begin, end, send } from "./tus.js";

const ASK_AGAIN_MS = 2_000;
/** Why the platform refused a clip, by the first word of its reason (jobs/media/refusals.py). */
export const REFUSALS = {
  missing_file: "The file did not arrive whole.",
  not_media: "This is not a video.",
  still_image: "This is a picture that does not move.",
  damaged_index: "The file is damaged: its index cannot be read.",
  encrypted: "The video is encrypted.",
  no_video: "There is sound, and nothing to see.",
  undecodable: "The video cannot be decoded.",
  truncated: "The file ends too early.",
  too_long: "The clip is too long.",
  too_short: "The clip is too short.",
  too_large: "The file or its picture is too large.",
  too_small: "The picture is too small.",
  bad_shape: "The picture is too wide or too tall.",
  timed_out: "The video takes too long to read.",
  withdrawn: "You have withdrawn it.",
};
const WORDS = {
  waiting: "All of it is here. It waits to be published.",
  processing: "It is being made ready for every screen.",
  published: "Published: everybody can watch it.",
};
const percent = new Intl.NumberFormat("en", { style: "percent" });

/** The upload page. One for a visit: an upload goes on while another view is shown. */
export class UploadPage {
  /** @param {HTMLElement} root @param {string} viewer Who uploads. */
  constructor(root, viewer) {
    this._root = root;
    this._viewer = viewer;
    /** @type {?File} */
    this._file = null;
    this._ending = new AbortController();
    const form = this._part("form");
    form.addEventListener("submit", (/** @type {Event} */ event) => {
      event.preventDefault();
      this._start();
    });
    this._part("file").addEventListener("change", () => this._choose(this._part("file").files[0]));
    for (const name of ["dragover", "dragleave", "drop"])
      root.addEventListener(name, (event) => this._drag(/** @type {DragEvent} */ (event)));
    this._part("stop").addEventListener("click", () => this._stop());
    this._part("another").addEventListener("click", () => this._forget());
    this._goOn();
  }

  /** @returns {?Kept} */
  get _kept() {
    const kept = recall("upload", null);
    return kept?.viewer === this._viewer ? kept : null;
  }

  /** After a reload: what has come whole is asked for, what has not needs its file once more. */
  async _goOn() {
    const kept = this._kept;
    if (!kept) return;
    try {
      const status = await get(kept.address);
      if (status.status !== "receiving") return await this._follow(kept.address);
      this._say(`${percent.format(status.received / status.bytes)} of ${kept.name} is here. Choose it again to go on.`);
    } catch (error) {
      if (error instanceof Problem && [404, 410].includes(error.status)) this._forget();
    }
  }

  /** @param {File} [file] */
  _choose(file) {
    if (!file) return;
    this._file = file;
    this._part("name").textContent = file.name;
    this._part("problem").textContent = "";
    const kept = this._kept;
    if (kept && isOf(kept, file)) this._start();
  }

  /** @param {DragEvent} event */
  _drag(event) {
    event.preventDefault();
    this._part("drop").classList.toggle("is-over", event.type === "dragover");
    if (event.type === "drop" && !this._part("form").hidden) this._choose(event.dataTransfer?.files[0]);
  }

  async _start() {
    const file = this._file;
    if (!file) return void (this._part("problem").textContent = "Choose a clip first.");
    const { signal } = (this._ending = new AbortController());
    this._show("sending");
    try {
      const kept = this._kept;
      const address = kept && isOf(kept, file) ? kept.address : await this._begin(file, signal);
      const told = (/** @type {number} */ at) => this._progress(at, file.size);
      const waits = (/** @type {Problem} */ problem) => this._say(`${problem.message} It goes on by itself.`);
      await send(address, file, signal, told, waits);
      await this._follow(address);
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof Problem)) throw error;
      this._forget();
      this._part("problem").textContent = error.message;
    }
  }

  /** @param {File} file @param {AbortSignal} signal Whether it was ended meanwhile. */
  async _begin(file, signal) {
    const stated = {
      user_id: this._viewer,
      filename: file.name,
      filetype: file.type,
      title: this._part("title").value,
      hashtags: this._part("hashtags").value.replaceAll("#", " "),
    };
    const address = await begin(file, stated);
    const { name, size, lastModified: modified } = file;
    if (signal.aborted) end(address);
    else remember("upload", { address, viewer: this._viewer, name, size, modified });
    return address;
  }

  /** Ask what becomes of it until it is known. @param {string} address */
  async _follow(address) {
    this._show("following");
    for (;;) {
      const { status, video_id, reason, detail } = await get(address).catch((error) => {
        if (error instanceof Problem && ![404, 410].includes(error.status)) return { status: "waiting" };
        throw error;
      });
      if (this._kept?.address !== address) return;
      if (status === "published") this._part("watch").href = `/?video=${encodeURIComponent(video_id)}`;
      const words = WORDS[/** @type {keyof WORDS} */ (status)];
      this._say(words ?? `${REFUSALS[/** @type {keyof REFUSALS} */ (reason)] ?? "It cannot be published."} (${detail})`);
      if (status === "published" || status === "refused") return void this._show(status);
      await new Promise((done) => setTimeout(done, ASK_AGAIN_MS));
    }
  }

  _stop() {
    this._ending.abort();
    const kept = this._kept;
    if (kept) end(kept.address);
    this._forget();
  }

  /** Begin anew, with an empty form. */
  _forget() {
    remember("upload", null);
    this._file = null;
    this._part("form").reset();
    this._part("name").textContent = "";
    this._say("");
    this._show("form");
  }

  /** @param {number} at @param {number} size */
  _progress(at, size) {
    const bar = this._part("progress");
    bar.max = size;
    bar.value = at;
    this._say(`${percent.format(at / size)} is here.`);
  }

  /** @param {"form" | "sending" | "following" | "published" | "refused"} state */
  _show(state) {
    this._part("form").hidden = state !== "form";
    for (const [name, states] of Object.entries({
      progress: ["sending"],
      stop: ["sending"],
      watch: ["published"],
      another: ["published", "refused"],
    }))
      this._part(name).hidden = !states.includes(state);
    this._root.setAttribute("aria-busy", String(state === "sending" || state === "following"));
  }

  /** @param {string} text */
  _say(text) {
    this._part("status").textContent = text;
  }

  /** @param {string} name @returns {any} */
  _part(name) {
    return this._root.querySelector(`[data-part="${name}"]`);
  }
}

/** Whether it is the file that is under way, as far as a browser tells. @param {Kept} kept @param {File} file */
function isOf({ name, size, modified }, file) {
  return name === file.name && size === file.size && modified === file.lastModified;
}
