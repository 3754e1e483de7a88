// When each frame is shown: a little later than it came, by as much as the arrivals vary, and in between by blending.
import type { Frame, State } from "./wire";

export interface Pose {
  values: Float32Array;
  head: [number, number, number];
  state: State;
  captureUnixS: number; // of the instant shown
}

const LONGEST_DELAY_S = 0.25;
const PAGE_SPREAD_S = 0.03; // what a network adds to the spread; more is this page being slow, which no delay mends
const SHORTEST_DELAY_S = 0.004;
const KEPT_S = 2.0; // of frames
const WINDOW_S = 5.0; // over which arrivals are compared
const MOST_KEPT = 1200; // five seconds at the highest rate, 240 a second; a clock that stands must not fill the memory
const CLOCK_JUMP_S = 1.5;
const LARGEST_BLENDED_GAP_S = 0.25; // over a longer gap a blend would be slow motion
const DELAY_SLEW_PER_S = 0.6; // the delay changes slowly, so that the face does not stutter
const LONGEST_SLEW_S = 0.2; // of one frame, after a gap

interface Arrival {
  captureS: number;
  transit: number; // arrival on our clock less capture on the sender's
  serverTransit: number; // arrival at the server less capture
  interval: number; // from the capture before; NaN of the first
}

export class Playout {
  /** How much later than its arrival a frame is shown, seconds. */
  delayS = 0.04;
  lastArrivalS = -Infinity;
  private newestShownS = -Infinity;
  private readonly frames: { timeS: number; frame: Frame }[] = [];
  private readonly arrivals: Arrival[] = [];

  /** Takes a frame; nowS is on the page's own clock. */
  push(frame: Frame, nowS: number): void {
    const last = this.frames[this.frames.length - 1];
    const transit = nowS - frame.captureUnixS;
    const usual = this.arrivals[this.arrivals.length - 1]?.transit;
    const jumped = usual !== undefined && Math.abs(transit - usual) > CLOCK_JUMP_S;
    if (last && (jumped || frame.values.length !== last.frame.values.length || frame.captureUnixS <= last.timeS)) {
      this.reset();
    }
    const captureS = frame.captureUnixS;
    const interval = last && this.frames.length > 0 ? captureS - last.timeS : NaN;
    this.arrivals.push({ captureS, transit, serverTransit: frame.arrivalUnixS - captureS, interval });
    this.frames.push({ timeS: captureS, frame });
    while (this.arrivals[0]!.captureS < captureS - WINDOW_S || this.arrivals.length > MOST_KEPT) this.arrivals.shift();
    while (this.frames[0]!.timeS < captureS - KEPT_S || this.frames.length > MOST_KEPT) this.frames.shift();
    this.lastArrivalS = nowS;
    this.adaptDelay();
  }

  private reset(): void {
    this.frames.length = 0;
    this.arrivals.length = 0;
    this.newestShownS = -Infinity;
  }

  private adaptDelay(): void {
    const ofServer = spread(this.arrivals.map((arrival) => arrival.serverTransit));
    const jitter = Math.min(spread(this.transits()), ofServer + PAGE_SPREAD_S);
    const steps = this.arrivals.map((arrival) => arrival.interval).filter((step) => !Number.isNaN(step));
    steps.sort((a, b) => a - b);
    const interval = steps[Math.floor(steps.length / 2)] ?? 1 / 30;
    const wanted = Math.min(LONGEST_DELAY_S, Math.max(SHORTEST_DELAY_S, interval + jitter));
    const share = DELAY_SLEW_PER_S * Math.min(interval, LONGEST_SLEW_S) * (wanted > this.delayS ? 5 : 1);
    this.delayS += (wanted - this.delayS) * share;
  }

  private transits(): number[] {
    return this.arrivals.map((arrival) => arrival.transit);
  }

  /** Returns the face of this instant, or undefined before the first frame. */
  pose(nowS: number): Pose | undefined {
    if (this.frames.length === 0) return undefined;
    const least = Math.min(...this.transits());
    // A delay that grows must not turn time back.
    const shownS = Math.max(this.newestShownS, nowS - least - this.delayS);
    this.newestShownS = Math.min(shownS, this.frames[this.frames.length - 1]!.timeS);
    let after = this.frames.length - 1;
    while (after > 0 && this.frames[after - 1]!.timeS >= shownS) after--;
    const b = this.frames[after]!;
    const a = this.frames[after - 1];
    if (!a || shownS >= b.timeS || b.timeS - a.timeS > LARGEST_BLENDED_GAP_S) {
      const only = a && shownS < b.timeS ? a : b;
      return { ...only.frame, values: only.frame.values, captureUnixS: only.timeS };
    }
    return { ...blend(a.frame, b.frame, (shownS - a.timeS) / (b.timeS - a.timeS)), captureUnixS: shownS };
  }
}

/** Returns how much later than the fastest all but the slowest twentieth come, seconds. */
function spread(transits: number[]): number {
  const sorted = [...transits].sort((a, b) => a - b);
  return (sorted[Math.floor(0.95 * (sorted.length - 1))] ?? 0) - (sorted[0] ?? 0);
}

/** Blends two frames of the same channels; share 0 is the first. */
export function blend(
  a: Pick<Pose, "values" | "head" | "state">,
  b: Pick<Pose, "values" | "head" | "state">,
  share: number,
): Pick<Pose, "values" | "head" | "state"> {
  const s = Math.min(1, Math.max(0, share));
  const values = new Float32Array(b.values.length);
  for (let i = 0; i < values.length; i++) values[i] = a.values[i]! + s * (b.values[i]! - a.values[i]!);
  const head = a.head.map((v, i) => v + s * (b.head[i]! - v)) as [number, number, number];
  return { values, head, state: s < 0.5 ? a.state : b.state };
}
