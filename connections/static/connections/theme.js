// Sets the theme before the first paint, so that nothing flashes; loaded in the head, not deferred.
(() => {
  const root = document.documentElement;
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const stored = () => {
    try {
      return localStorage.getItem("theme");
    } catch {
      return null; // storage can be forbidden
    }
  };
  const choice = () => (["light", "dark"].includes(stored()) ? stored() : "auto");
  const printed = window.matchMedia("print");
  const chosen = () => (choice() === "auto" ? (dark.matches ? "dark" : "light") : choice());
  const apply = () => {
    root.dataset.bsTheme = printed.matches ? "light" : chosen(); // paper is white
  };
  root.dataset.js = ""; // what needs JavaScript is shown only now
  apply();
  dark.addEventListener("change", apply);
  printed.addEventListener("change", apply);

  document.addEventListener("DOMContentLoaded", () => {
    const buttons = document.querySelectorAll("[data-theme-choice]");
    const show = () => {
      for (const button of buttons) button.setAttribute("aria-pressed", String(button.dataset.themeChoice === choice()));
    };
    for (const button of buttons) {
      button.addEventListener("click", () => {
        try {
          localStorage.setItem("theme", button.dataset.themeChoice);
        } catch {
          // then the choice cannot be kept
        }
        apply();
        show();
      });
    }
    show();
  });
})();
