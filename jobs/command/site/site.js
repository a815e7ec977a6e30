// Search over ENTRIES (entries.js: [page, name, words]), and the edges of the box under the pointer.
const field = document.getElementById("search"), found = document.getElementById("found");
const main = document.querySelector("main");

field.addEventListener("input", () => {
  const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
  main.hidden = words.length > 0;
  found.replaceChildren();
  if (!words.length) return;
  // Names before descriptions.
  const rank = ([, name]) => words.filter((word) => name.toLowerCase().includes(word)).length;
  const hits = ENTRIES.filter(([, name, text]) => words.every((w) => `${name} ${text}`.toLowerCase().includes(w)));
  hits.sort((a, b) => rank(b) - rank(a));
  for (const [page, name, text] of hits.slice(0, 60)) {
    const item = document.createElement("li"), link = document.createElement("a"), about = document.createElement("div");
    link.href = page; link.textContent = name; about.textContent = text; about.className = "pale";
    item.append(link, about); found.append(item);
  }
  if (!hits.length) found.append(Object.assign(document.createElement("li"), { textContent: "Nothing has these words." }));
});

// What was found may be on this very page.
found.addEventListener("click", () => { field.value = ""; main.hidden = false; found.replaceChildren(); });

for (const box of document.querySelectorAll(".box")) {
  const name = box.dataset.name;
  const edges = [...document.querySelectorAll(".edge")].filter((e) => e.dataset.from === name || e.dataset.to === name);
  box.addEventListener("pointerenter", () => edges.forEach((edge) => edge.classList.add("lit")));
  box.addEventListener("pointerleave", () => edges.forEach((edge) => edge.classList.remove("lit")));
}
