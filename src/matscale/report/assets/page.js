"use strict";
// Theme, tips, copying, printing. The page reads without any of it.
(() => {
  const root = document.documentElement;
  const button = document.getElementById("theme");
  const themes = ["auto", "light", "dark"];
  let theme = "auto";
  const remember = (value) => { try { localStorage.setItem("matscale-theme", value); } catch { /* private window */ } };
  const show = (value) => {
    theme = themes.includes(value) ? value : "auto";
    if (theme === "auto") delete root.dataset.theme; else root.dataset.theme = theme;
    button.textContent = `Theme: ${theme}`;
    button.setAttribute("aria-label", `Colour theme: ${theme === "auto" ? "automatic" : theme}`);
    document.dispatchEvent(new Event("matscale:theme"));
  };
  try { show(localStorage.getItem("matscale-theme")); } catch { show("auto"); }
  button.hidden = false;
  button.addEventListener("click", () => {
    show(themes[(themes.indexOf(theme) + 1) % themes.length]);
    remember(theme);
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => show(theme));

  const tip = document.getElementById("tip");
  let owner = null;
  const hide = () => {
    tip.hidden = true;
    if (owner) owner.removeAttribute("aria-describedby");
    owner = null;
  };
  const place = () => {
    if (!owner) return;
    const box = owner.getBoundingClientRect();
    const wide = document.documentElement.clientWidth;
    const left = Math.min(Math.max(box.left - 12, 8), wide - tip.offsetWidth - 8);
    tip.style.left = `${left + scrollX}px`;
    tip.style.top = `${box.bottom + scrollY + 6}px`;
  };
  const open = (mark) => {
    owner = mark;
    tip.textContent = mark.dataset.tip;
    tip.hidden = false;
    mark.setAttribute("aria-describedby", "tip");
    place();
  };
  for (const mark of document.querySelectorAll("[data-tip]")) {
    mark.addEventListener("click", () => open(mark));
    mark.addEventListener("pointerenter", () => open(mark));
    mark.addEventListener("focus", () => open(mark));
    mark.addEventListener("pointerleave", () => { if (document.activeElement !== mark) hide(); });
    mark.addEventListener("blur", hide);
  }
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") hide(); });
  addEventListener("scroll", place, { passive: true, capture: true });

  for (const copy of document.querySelectorAll("[data-copy]")) {
    const text = copy.parentElement.querySelector("pre");
    copy.hidden = false;
    copy.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(text.textContent);
        copy.textContent = "Copied";
      } catch {
        getSelection().selectAllChildren(text);
        copy.textContent = "Selected: press Ctrl+C";
      }
      setTimeout(() => { copy.textContent = "Copy"; }, 2500);
    });
  }

  let opened = [];
  addEventListener("beforeprint", () => {
    opened = [...document.querySelectorAll("details:not([open]):not(.copies)")];
    for (const part of opened) part.open = true;
  });
  addEventListener("afterprint", () => {
    for (const part of opened) part.open = false;
  });
})();
