// The face when nothing arrives: it eases to rest, breathes, blinks, and looks about a little.
export interface CalmPose {
  shapes: Map<string, number>;
  head: [number, number, number];
}

const BLINK_S = 0.16;
const BREATH_HZ = 0.22;
const FRIENDLY = 0.2; // a face at rest looks stern without a trace of a smile

export class Calm {
  private nextBlinkS = 1.5;
  private blinkStartS = -1;
  private nextGlanceS = 3;
  private gaze: [number, number] = [0, 0];
  private from: [number, number] = [0, 0];
  private glanceStartS = 0;
  private seed = 20260501;

  private random(): number {
    this.seed = (Math.imul(this.seed, 1664525) + 1013904223) >>> 0;
    return this.seed / 4294967296;
  }

  pose(timeS: number): CalmPose {
    const shapes = new Map<string, number>();
    if (timeS > this.nextBlinkS) {
      this.blinkStartS = timeS;
      this.nextBlinkS = timeS + 2.2 + 3.8 * this.random();
    }
    const phase = (timeS - this.blinkStartS) / BLINK_S;
    const lid = phase >= 0 && phase < 1 ? Math.sin(Math.PI * Math.min(1, phase ** 0.7)) : 0;
    shapes.set("eyeBlinkLeft", lid);
    shapes.set("eyeBlinkRight", lid);
    if (timeS > this.nextGlanceS) {
      this.from = this.look(timeS);
      this.glanceStartS = timeS;
      this.gaze = [(this.random() - 0.5) * 0.36, (this.random() - 0.5) * 0.2];
      this.nextGlanceS = timeS + 1.5 + 3.5 * this.random();
    }
    const [side, height] = this.look(timeS);
    shapes.set("eyeLookOutLeft", Math.max(0, side));
    shapes.set("eyeLookInRight", Math.max(0, side));
    shapes.set("eyeLookInLeft", Math.max(0, -side));
    shapes.set("eyeLookOutRight", Math.max(0, -side));
    for (const eye of ["Left", "Right"]) {
      shapes.set(`eyeLookUp${eye}`, Math.max(0, height));
      shapes.set(`eyeLookDown${eye}`, Math.max(0, -height));
    }
    for (const side of ["Left", "Right"]) {
      shapes.set(`mouthSmile${side}`, FRIENDLY);
      shapes.set(`cheekSquint${side}`, FRIENDLY / 2);
    }
    const breath = Math.sin(2 * Math.PI * BREATH_HZ * timeS);
    const sway = Math.sin(2 * Math.PI * 0.043 * timeS) + 0.6 * Math.sin(2 * Math.PI * 0.071 * timeS + 1);
    return { shapes, head: [0.5 * breath, 1.1 * sway + 4 * side, 0.5 * Math.sin(2 * Math.PI * 0.031 * timeS)] };
  }

  private look(timeS: number): [number, number] {
    const share = Math.min(1, (timeS - this.glanceStartS) / 0.09); // a saccade takes some 50 to 100 ms
    return [this.from[0] + share * (this.gaze[0] - this.from[0]), this.from[1] + share * (this.gaze[1] - this.from[1])];
  }
}
