/* Names for screen readers and access by keyboard where the theme gives none. */
function complete() {
  document.querySelectorAll(".md-search").forEach((part) => part.setAttribute("aria-label", "Search"));
  document.querySelectorAll(".md-code__nav").forEach((part, place) => {
    part.setAttribute("aria-label", `Code ${place + 1}`);
  });
  document.querySelectorAll(".md-typeset__scrollwrap, pre > code, .formula").forEach((part) => {
    if (part.getAttribute("tabindex") !== "0") part.setAttribute("tabindex", "0"); // the theme takes it away
  });
  const seen = new Set();
  document.querySelectorAll("nav").forEach((part) => {
    const label = document.getElementById(part.getAttribute("aria-labelledby"));
    const name = label ? label.textContent.trim() : part.getAttribute("aria-label") || "Contents";
    if (seen.has(name)) {
      part.removeAttribute("aria-labelledby");
      part.setAttribute("aria-label", `${name}, ${seen.size + 1}`);
    }
    seen.add(part.getAttribute("aria-label") || name);
  });
}
new MutationObserver(complete).observe(document.body, {
  childList: true,
  subtree: true,
  attributeFilter: ["tabindex"],
});
complete();
