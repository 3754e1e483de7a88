// A recording: frames by time and, where there is any, the sound they belong to. In files: JSON lines and WAV.
import { blend } from "./playout";
import type { Frame, Sound, State } from "./wire";

export interface Line {
  timeS: number;
  state: State;
  values: Float32Array;
  head: [number, number, number];
}

const LONGEST_S = 900; // a recording ends by itself after a quarter of an hour

export class Recording {
  names: string[] = [];
  readonly lines: Line[] = [];
  sound: Blob | undefined;

  get durationS(): number {
    return this.lines[this.lines.length - 1]?.timeS ?? 0;
  }

  /** Returns the face at a time, blended between lines. */
  at(timeS: number): Pick<Line, "values" | "head" | "state"> | undefined {
    let low = 0;
    let high = this.lines.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.lines[middle]!.timeS < timeS) low = middle + 1;
      else high = middle;
    }
    const b = this.lines[low];
    const a = this.lines[low - 1];
    if (!a || !b) return a ?? b;
    return blend(a, b, (timeS - a.timeS) / Math.max(1e-6, b.timeS - a.timeS));
  }

  toJsonLines(): string {
    const round = (value: number): number => Math.round(value * 1e5) / 1e5;
    return this.lines
      .map((line) => {
        const au = Object.fromEntries(this.names.map((name, i) => [name, round(line.values[i] ?? 0)]));
        const [pitch, yaw, roll] = line.head.map(round);
        return JSON.stringify({ time_s: round(line.timeS), state: line.state, au, head: { pitch, yaw, roll } });
      })
      .join("\n")
      .concat("\n");
  }

  /**
   * Reads JSON lines: ours, those of `au-edge render`, or datagrams as they are sent (with `t` instead of `time_s`).
   * Throws where a line is none.
   */
  static fromJsonLines(text: string): Recording {
    const recording = new Recording();
    let firstS: number | undefined;
    for (const [number, row] of text.split("\n").entries()) {
      if (!row.trim()) continue;
      const raw = JSON.parse(row) as Record<string, unknown>;
      const au = raw.au as Record<string, number> | undefined;
      const stamp = raw.time_s ?? raw.t;
      if (!au || typeof au !== "object" || typeof stamp !== "number") {
        throw new Error(`line ${number + 1} has no au or no time`);
      }
      if (recording.lines.length === 0) recording.names = Object.keys(au);
      firstS ??= raw.time_s === undefined ? stamp : 0;
      const head = (raw.head ?? {}) as Record<string, number>;
      recording.lines.push({
        timeS: stamp - firstS,
        state: (raw.state as State) ?? "live",
        values: Float32Array.from(recording.names, (name) => Number(au[name] ?? 0)),
        head: [Number(head.pitch ?? 0), Number(head.yaw ?? 0), Number(head.roll ?? 0)],
      });
    }
    if (recording.lines.length === 0) throw new Error("there is no frame in it");
    return recording;
  }
}

/** Collects what arrives. */
export class Recorder {
  private frames: Frame[] = [];
  private sounds: Sound[] = [];
  isOn = false;

  start(): void {
    this.frames = [];
    this.sounds = [];
    this.isOn = true;
  }

  pushFrame(frame: Frame): void {
    if (!this.isOn) return;
    this.frames.push(frame);
    if (frame.captureUnixS - this.frames[0]!.captureUnixS > LONGEST_S) this.isOn = false;
  }

  pushSound(sound: Sound): void {
    if (this.isOn) this.sounds.push(sound);
  }

  /** Ends the recording; its time begins with the sound, or else with the first frame. */
  stop(names: string[]): Recording {
    this.isOn = false;
    const recording = new Recording();
    recording.names = [...names];
    const startS = this.sounds[0]?.startUnixS ?? this.frames[0]?.captureUnixS ?? 0;
    for (const frame of this.frames) {
      const timeS = frame.captureUnixS - startS;
      if (timeS < 0 || frame.values.length !== names.length) continue;
      recording.lines.push({ timeS, state: frame.state, values: frame.values, head: frame.head });
    }
    recording.sound = toWav(this.sounds, startS);
    return recording;
  }
}

/** Lays pieces of sound on one axis by their times, so that a lost piece stays a gap. */
function toWav(sounds: Sound[], startS: number): Blob | undefined {
  const first = sounds[0];
  const last = sounds[sounds.length - 1];
  if (!first || !last) return undefined;
  const rate = first.rateHz;
  const total = Math.round((last.startUnixS - startS) * rate) + last.samples.length;
  const buffer = new ArrayBuffer(44 + 2 * total);
  const view = new DataView(buffer);
  const text = (at: number, word: string): void => [...word].forEach((c, i) => view.setUint8(at + i, c.charCodeAt(0)));
  text(0, "RIFF");
  view.setUint32(4, 36 + 2 * total, true);
  text(8, "WAVEfmt ");
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true);
  view.setUint16(22, 1, true);
  view.setUint32(24, rate, true);
  view.setUint32(28, 2 * rate, true);
  view.setUint16(32, 2, true);
  view.setUint16(34, 16, true);
  text(36, "data");
  view.setUint32(40, 2 * total, true);
  const out = new Int16Array(buffer, 44);
  let next = 0;
  for (const sound of sounds) {
    const exact = Math.round((sound.startUnixS - startS) * rate);
    const at = Math.abs(exact - next) < rate * 0.02 ? next : exact; // time stamps jitter; samples follow one another
    out.set(sound.samples.subarray(0, Math.max(0, total - at)), Math.max(0, at));
    next = at + sound.samples.length;
  }
  return new Blob([buffer], { type: "audio/wav" });
}
