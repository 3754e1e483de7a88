// What the face shows now: the stream, a replay, the hand on the sliders, or rest, eased from one to the other.
import { Calm } from "./calm";
import type { Face } from "./face";
import type { Connection } from "./connection";
import { Playout, type Pose } from "./playout";
import type { Frame } from "./wire";

export interface Override {
  /** Returns the channels to show, or undefined to leave the face to the stream. */
  pose(): { names: string[]; values: ArrayLike<number>; head: [number, number, number] } | undefined;
}

const GONE_AFTER_S = 0.35; // without a frame for so long, the face begins to ease to rest
const EASE_S = 0.5;
const EYES_STILL_S = 4; // a stream that has not moved the eyes for so long does not mean to
const EYES_MOVED = 0.02;
const EYES = /^eye(Blink|Look)/;

export class Player {
  readonly playout = new Playout();
  readonly overrides: Override[] = [];
  names: string[] = [];
  /** From the microphone to the picture, seconds, of the face drawn last; NaN where no frame is shown. */
  delayS = NaN;
  shown: Pose | undefined;
  private presence = 0; // 1: the stream, 0: rest
  private lastS = 0;
  private readonly calm = new Calm();
  private readonly isCalmAlive: boolean;
  private eyesMovedS = -Infinity;
  private ownEyes = 0; // 1: the stream leaves the eyes still, and a kiosk lets them live

  constructor(
    private readonly face: Face,
    private readonly connection: Connection,
    isCalmAlive: boolean,
    private readonly livensEyes = false,
  ) {
    this.isCalmAlive = isCalmAlive;
  }

  push(frame: Frame): void {
    if (frame.values.length === this.names.length) this.playout.push(frame, performance.now() / 1000);
  }

  update(nowS: number): void {
    const step = Math.min(0.1, nowS - this.lastS);
    this.lastS = nowS;
    for (const override of this.overrides) {
      const pose = override.pose();
      if (!pose) continue;
      this.delayS = NaN;
      this.show(pose.names, pose.values, pose.head, 1, nowS);
      return;
    }
    const pose = this.playout.pose(nowS);
    const isFresh = nowS - this.playout.lastArrivalS < GONE_AFTER_S + this.playout.delayS;
    this.presence = Math.min(1, Math.max(0, this.presence + (isFresh ? step / 0.12 : -step / EASE_S)));
    this.shown = pose;
    const nowUnixS = Date.now() / 1000 + this.connection.clock.skewS;
    this.delayS = pose && isFresh ? nowUnixS - pose.captureUnixS : NaN;
    this.watchEyes(pose, nowS, step);
    const smooth = this.presence * this.presence * (3 - 2 * this.presence);
    if (pose && pose.values.length === this.names.length) this.show(this.names, pose.values, pose.head, smooth, nowS);
    else this.show([], [], [0, 0, 0], 0, nowS);
  }

  private watchEyes(pose: Pose | undefined, nowS: number, step: number): void {
    if (!this.livensEyes) return;
    const isMoved = pose?.values.some((value, i) => value > EYES_MOVED && EYES.test(this.names[i] ?? ""));
    if (isMoved || this.eyesMovedS === -Infinity) this.eyesMovedS = nowS;
    const isStill = nowS - this.eyesMovedS > EYES_STILL_S;
    this.ownEyes = Math.min(1, Math.max(0, this.ownEyes + (isStill ? step : -step) / EASE_S));
  }

  private show(
    names: string[],
    values: ArrayLike<number>,
    head: [number, number, number],
    share: number,
    nowS: number,
  ): void {
    const rest = this.isCalmAlive && (share < 1 || this.ownEyes > 0) ? this.calm.pose(nowS) : undefined;
    const turned = head.map((angle, i) => share * angle + (1 - share) * (rest?.head[i] ?? 0));
    for (const name of this.face.names) this.face.set(name, (1 - share) * (rest?.shapes.get(name) ?? 0));
    for (let i = 0; i < names.length; i++) {
      const name = names[i]!;
      const calm = rest?.shapes.get(name) ?? 0;
      const own = EYES.test(name) ? share * this.ownEyes * calm : 0;
      this.face.set(name, Math.max(share * (values[i] ?? 0) + (1 - share) * calm, (1 - share) * calm + own));
    }
    this.face.turn({ pitch: turned[0]!, yaw: turned[1]!, roll: turned[2]! });
  }
}
