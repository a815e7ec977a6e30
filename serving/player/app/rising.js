/**
 * The page of what rises now: hashtags, and videos to begin watching at.
 *
 * Belongs here: how the two lists look. Why something rises is for the platform to say: its reason is shown as it came.
 *
 * @typedef {import("./api.js").Clip} Clip
 */

import { Problem, rising } from "./api.js";
import { hueOf } from "./slide.js";

const number = new Intl.NumberFormat("en");

/**
 * Show the lists in `root`.
 *
 * @param {HTMLElement} root @returns {Promise<Clip[]>} The videos, in order.
 */
export async function showRising(root) {
  root.setAttribute("aria-busy", "true");
  try {
    const [videos, hashtags] = await Promise.all([orNone("videos"), orNone("hashtags")]);
    const clips = videos.items.map(({ video, reason }) => ({ ...video, reason }));
    part(root, "as-of").textContent = videos.as_of && `As of ${new Date(videos.as_of).toLocaleString("en", { dateStyle: "medium", timeStyle: "short" })}`;
    part(root, "tags").replaceChildren(...hashtags.items.map(tag));
    part(root, "videos").replaceChildren(...videos.items.map(card));
    part(root, "none").textContent = videos.items.length || hashtags.items.length ? "" : "Nothing rises at the moment. Look again in an hour.";
    return clips;
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    part(root, "none").textContent = error.message;
    return [];
  } finally {
    root.setAttribute("aria-busy", "false");
  }
}

/** A list; an empty one while none has been published. @param {"videos" | "hashtags"} kind */
async function orNone(kind) {
  try {
    return await rising(kind);
  } catch (error) {
    if (error instanceof Problem && error.kind === "no-list-published") return { as_of: "", items: [] };
    throw error;
  }
}

/** @param {{id: string, people: number, reason: string}} item */
function tag({ id, people, reason }) {
  const found = filled("tag", { name: `#${id}`, people: `${number.format(people)} people` });
  found.title = reason;
  return found;
}

/** @param {{rank: number, id: string, people: number, reason: string, video: Clip}} item */
function card({ rank, id, people, reason, video }) {
  const found = filled("card", {
    rank: String(rank),
    title: video.title || "Untitled",
    creator: `@${video.user_id}`,
    people: `${number.format(people)} people`,
    reason,
  });
  part(found, "link").href = `#trending/${encodeURIComponent(id)}`;
  found.style.setProperty("--hue", hueOf(id));
  if (video.poster_url) part(found, "poster").src = video.poster_url;
  else part(found, "poster").remove();
  return found;
}

/** @param {string} template @param {Record<string, string>} texts @returns {HTMLElement} */
function filled(template, texts) {
  const { content } = /** @type {HTMLTemplateElement} */ (document.getElementById(template));
  const made = /** @type {HTMLElement} */ (content.firstElementChild?.cloneNode(true));
  for (const [name, text] of Object.entries(texts)) part(made, name).textContent = text;
  return made;
}

/** @param {Element} root @param {string} name @returns {any} */
function part(root, name) {
  return root.querySelector(`[data-part="${name}"]`);
}
