/**
 * Sends a file to the endpoint by tus 1.0, as long as it takes: what is lost on the way goes again, from where it is.
 *
 * Belongs here: the protocol. What a person sees of it: upload.js. Its other side: serving/uploads.py.
 */

import { ask, Problem } from "./api.js";

const VERSION = { "Tus-Resumable": "1.0.0" };
/** A piece takes about a second: a broken connection costs no more, and the bar moves. */
const PIECE_MS = 1_000;
const LEAST = 256 << 10;
const MOST = 8 << 20;
const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 15_000;
/** The connection, somebody else who still writes, and what a server gets over. */
const PASSING = [0, 408, 409, 423, 429];

/**
 * Begin an upload.
 *
 * @param {File} file @param {Record<string, string>} stated What is stated of it.
 * @returns {Promise<string>} Its address. Raises Problem.
 */
export async function begin(file, stated) {
  const metadata = Object.entries(stated).map(([name, value]) => `${name} ${base64(value)}`);
  const headers = { ...VERSION, "Upload-Length": String(file.size), "Upload-Metadata": metadata.join(",") };
  const answer = await ask("/v1/uploads", { method: "POST", headers });
  return /** @type {string} */ (answer.headers.get("Location"));
}

/**
 * Send what is not there yet of a file.
 *
 * @param {string} address @param {File} file @param {AbortSignal} signal Ends it.
 * @param {(offset: number) => void} arrived Told how much is there.
 * @param {(problem: Problem) => void} waits Told why it waits before it tries again.
 * @returns {Promise<void>} Raises Problem for what does not pass.
 */
export async function send(address, file, signal, arrived, waits) {
  /** @type {?number} */
  let at = null;
  let [size, wait] = [LEAST, FIRST_WAIT_MS];
  while (at === null || at < file.size) {
    const began = performance.now();
    try {
      const isAsked = at === null;
      at = at === null ? await offset(address, signal) : await append(address, file, at, size, signal);
      arrived(at);
      wait = FIRST_WAIT_MS;
      const fitting = (size * PIECE_MS) / (performance.now() - began);
      if (!isAsked) size = Math.round(Math.min(MOST, 2 * size, Math.max(LEAST, fitting)));
    } catch (error) {
      if (signal.aborted || !(error instanceof Problem) || !passes(error)) throw error;
      at = null;
      waits(error);
      await pause(wait, signal);
      wait = Math.min(LONGEST_WAIT_MS, 2 * wait);
    }
  }
}

/** Let go of what is there; what stays all the same expires. @param {string} address */
export async function end(address) {
  for (let wait = FIRST_WAIT_MS; wait < LONGEST_WAIT_MS; wait *= 2)
    try {
      return void (await ask(address, { method: "DELETE", headers: VERSION }));
    } catch (error) {
      // The endpoint may not have heard yet that nothing follows of what was sent last.
      if (!(error instanceof Problem) || !passes(error)) return;
      await pause(wait, new AbortController().signal);
    }
}

/** @param {string} address @param {AbortSignal} signal */
async function offset(address, signal) {
  return offsetOf(await ask(address, { method: "HEAD", headers: VERSION, cache: "no-store", signal }));
}

/** @param {string} address @param {File} file @param {number} at @param {number} size @param {AbortSignal} signal */
async function append(address, file, at, size, signal) {
  const headers = { ...VERSION, "Upload-Offset": String(at), "Content-Type": "application/offset+octet-stream" };
  return offsetOf(await ask(address, { method: "PATCH", headers, body: file.slice(at, at + size), signal }));
}

/** @param {Response} answer */
function offsetOf(answer) {
  return Number(answer.headers.get("Upload-Offset"));
}

/** @param {Problem} problem */
function passes({ status }) {
  return PASSING.includes(status) || status >= 500;
}

/** Wait, though not longer than until the network is back. @param {number} ms @param {AbortSignal} signal */
function pause(ms, signal) {
  return new Promise((done) => {
    setTimeout(done, ms);
    addEventListener("online", done, { once: true, signal });
    signal.addEventListener("abort", done, { once: true });
  });
}

/** @param {string} text */
function base64(text) {
  return btoa(String.fromCharCode(...new TextEncoder().encode(text)));
}
