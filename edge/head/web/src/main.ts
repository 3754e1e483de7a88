// The page: a face, moved by frames from the WebSocket; `?kiosk`, `?inspect` and `?render` choose what is around it.
import { Connection } from "./connection";
import { Face } from "./face";
import { Inspector } from "./inspect";
import { enterKiosk, reloadWhenServed } from "./kiosk";
import { element } from "./page";
import { Player } from "./player";
import { Stage, type StageOptions } from "./stage";

const CAPTION_MS = 500;
const CAMERAS = ["face", "bust", "left", "right"] as const;

const query = new URLSearchParams(location.search);
const isKiosk = query.has("kiosk");
const isInspecting = query.has("inspect") && !isKiosk;
const isRendering = query.has("render");

function stageOptions(): StageOptions {
  const camera = CAMERAS.find((name) => name === query.get("camera")) ?? "face";
  const colour = query.get("background") ?? "";
  const background = CSS.supports("color", colour) ? colour : "#20252c";
  const quality = (["high", "low"] as const).find((name) => name === query.get("quality")) ?? "auto";
  return { background, camera, quality };
}

/** `?face=robot` shows /faces/robot.glb of the configured folder. */
function faceUrl(): string {
  const name = query.get("face");
  return name ? `/faces/${encodeURIComponent(name)}.glb` : "/face.glb";
}

/** A name in the address that leads to no face must not leave a screen without any. */
async function loadFace(): Promise<Face> {
  try {
    return await Face.load(faceUrl());
  } catch (error) {
    if (!query.get("face")) throw error;
    complain(`The face "${query.get("face")}" cannot be shown: ${reasonOf(error)}. This is the configured one.`);
    return await Face.load("/face.glb");
  }
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function complain(text: string): void {
  const trouble = element("trouble", HTMLParagraphElement);
  trouble.textContent = text;
  trouble.hidden = false;
}

async function start(): Promise<void> {
  const canvas = element("face", HTMLCanvasElement);
  if (isKiosk) enterKiosk(canvas);
  const stage = new Stage(canvas, stageOptions());
  const face = await loadFace();
  stage.show(face);
  new ResizeObserver(() => stage.resize()).observe(canvas);

  let inspector: Inspector | undefined;
  let isConnected = false;
  const connection = new Connection({
    onNames: (names) => {
      player.names = names;
      inspector?.onNames(names);
    },
    onFrame: (frame) => {
      player.push(frame);
      inspector?.onFrame(frame);
    },
    onSound: (sound) => inspector?.onSound(sound),
    onStatus: (status) => inspector?.onStatus(status),
    onHello: (hello) => {
      inspector?.sliders.allowSending(hello.drive);
      inspector?.wishes.allow(hello.moods, hello.gestures);
    },
    onRefused: (why) => inspector?.wishes.refused(why),
    onConnected: (is) => {
      isConnected = is;
      if (is) return;
      inspector?.sliders.allowSending(false);
      inspector?.wishes.allow([], []);
    },
  });
  const player = new Player(face, connection, !isRendering, isKiosk);
  if (isInspecting) inspector = new Inspector(face, connection, player);
  const link = element("mode-link", HTMLAnchorElement);
  if (isInspecting) {
    link.textContent = "Face only";
    link.href = "/";
  }
  element("caption", HTMLParagraphElement).hidden = isRendering;
  const clock = { frames: 0, firstMs: 0 };
  Object.assign(window, { auEdge: { face, stage, player, connection, inspector, clock } });
  if (isRendering) {
    // Pictures are asked for one by one, from outside: see edge/head/video.py.
    document.body.classList.add("kiosk");
    const picture = (names: string[], values: number[], head: [number, number, number]): string => {
      names.forEach((name, i) => face.set(name, values[i] ?? 0));
      face.turn({ pitch: head[0], yaw: head[1], roll: head[2] });
      stage.draw();
      return canvas.toDataURL("image/jpeg", 0.93);
    };
    Object.assign(window, { auEdgePicture: picture });
    return;
  }
  connection.open();

  const caption = element("caption-text", HTMLSpanElement);
  setInterval(() => {
    const { shown, delayS } = player;
    caption.textContent = !isConnected
      ? "no connection to the program; trying again"
      : Number.isFinite(delayS) && shown
        ? `${shown.state}, ${(delayS * 1000).toFixed(0)} ms from sound to picture`
        : "waiting for frames";
  }, CAPTION_MS);
  const draw = (nowMs: number): void => {
    player.update(performance.now() / 1000);
    stage.pace(nowMs);
    stage.draw();
    inspector?.update(nowMs);
    clock.frames++;
    clock.firstMs ||= performance.now();
    requestAnimationFrame(draw);
  };
  requestAnimationFrame(draw);
}

start().catch((error: unknown) => {
  complain(`The face cannot be shown: ${reasonOf(error)}`);
  console.error(error);
  if (isKiosk) void reloadWhenServed();
});
