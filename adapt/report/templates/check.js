"use strict";
// One line of the list per image; an image that several findings show has one line.
const boxes = [...document.querySelectorAll("input[data-line]")];
const bar = document.getElementById("choice");
const header = bar.dataset.header;
const notShown = JSON.parse(document.getElementById("not-shown").textContent);
const first = boxes.filter((box) => box.defaultChecked).map((box) => box.dataset.line);
let chosen = new Set([...notShown, ...first]);

function show() {
  for (const box of boxes) {
    box.checked = chosen.has(box.dataset.line);
    box.closest(".card").classList.toggle("out", box.checked);
  }
  document.getElementById("count").textContent = chosen.size.toLocaleString("en");
  document.getElementById("images").textContent = chosen.size === 1 ? "image" : "images";
}

for (const box of boxes) {
  box.addEventListener("change", () => {
    if (box.checked) chosen.add(box.dataset.line);
    else chosen.delete(box.dataset.line);
    show();
  });
}

for (const button of document.querySelectorAll("button[data-all]")) {
  button.addEventListener("click", () => {
    const own = [...button.closest("section").querySelectorAll("input[data-line]")];
    const add = button.dataset.all === "out";
    for (const box of own) {
      if (add) chosen.add(box.dataset.line);
      else chosen.delete(box.dataset.line);
    }
    show();
  });
}

document.getElementById("again").addEventListener("click", () => {
  chosen = new Set([...notShown, ...first]);
  show();
});

document.getElementById("save").addEventListener("click", () => {
  const text = header + [...chosen].sort().map((line) => line + "\n").join("");
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "text/plain;charset=utf-8" }));
  link.download = "exclude.txt";
  link.click();
});

document.documentElement.classList.add("choosing");
show();
