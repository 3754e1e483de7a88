// A screen that nobody attends: no cursor, no sleep, and it helps itself.
const RELOAD_MS = 2000;

/** Loads the page anew, but not before the server answers: the browser's error page would never come back. */
export async function reloadWhenServed(): Promise<void> {
  for (;;) {
    await new Promise((done) => setTimeout(done, RELOAD_MS));
    const answer = await fetch("/", { cache: "no-store" }).catch(() => undefined);
    if (answer?.ok) break;
  }
  location.reload();
}

export function enterKiosk(canvas: HTMLCanvasElement): void {
  document.body.classList.add("kiosk");
  window.addEventListener("contextmenu", (event) => event.preventDefault());
  // Browsers give full screen only to a touch; under `chromium --kiosk` it is there from the start.
  window.addEventListener("pointerdown", () => {
    if (!document.fullscreenElement) document.documentElement.requestFullscreen().catch(() => undefined);
  });
  const stayAwake = (): void => {
    if (document.visibilityState === "visible") navigator.wakeLock?.request("screen").catch(() => undefined);
  };
  document.addEventListener("visibilitychange", stayAwake);
  stayAwake();
  canvas.addEventListener("webglcontextlost", () => void reloadWhenServed());
}
