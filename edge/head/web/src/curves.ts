// Curves of channels over the waveform, and the histogram of ages, drawn on plain canvases.
export const SPAN_S = 6;
const COLOURS = ["#7cc4ff", "#ffb86b", "#8ae28f", "#ff8fa3", "#d3a6ff", "#f3e36b", "#6fe3d6", "#ff9de2"];
const ENVELOPE_HZ = 100;
const INK = "#b8c2cf";
const LINES = "#465160";
const FONT = "11px system-ui, sans-serif";
const FOOT = 16; // pixels under a drawing for its words
const HEAD = 6;

export function colourOf(index: number): string {
  return COLOURS[index % COLOURS.length]!;
}

/** The last seconds of every channel, by capture time. */
export class History {
  readonly times: number[] = [];
  readonly rows: Float32Array[] = [];

  push(timeS: number, values: Float32Array): void {
    if (this.times.length && timeS <= this.times[this.times.length - 1]!) this.clear();
    this.times.push(timeS);
    this.rows.push(values);
    while (this.times.length && this.times[0]! < timeS - SPAN_S - 1) {
      this.times.shift();
      this.rows.shift();
    }
  }

  clear(): void {
    this.times.length = this.rows.length = 0;
  }
}

/** Largest and smallest sample of every hundredth of a second. */
export class Envelope {
  readonly bins = new Map<number, [number, number]>();
  rateHz = 0;
  heardMs = -Infinity; // on the page's clock

  push(samples: Int16Array, rateHz: number, startUnixS: number): void {
    this.rateHz = rateHz;
    this.heardMs = performance.now();
    for (let i = 0; i < samples.length; i++) {
      const bin = Math.floor((startUnixS + i / rateHz) * ENVELOPE_HZ);
      const value = samples[i]! / 32768;
      const entry = this.bins.get(bin);
      if (!entry) this.bins.set(bin, [value, value]);
      else {
        if (value < entry[0]) entry[0] = value;
        if (value > entry[1]) entry[1] = value;
      }
    }
    const oldest = Math.floor((startUnixS - SPAN_S - 2) * ENVELOPE_HZ);
    for (const bin of this.bins.keys()) {
      if (bin >= oldest) break;
      this.bins.delete(bin);
    }
  }
}

export function drawCurves(
  canvas: HTMLCanvasElement,
  history: History,
  envelope: Envelope,
  channels: { index: number; colour: string }[],
): void {
  const pen = prepare(canvas);
  if (!pen) return;
  const { context, width, height } = pen;
  const endS = history.times[history.times.length - 1];
  const tall = height - HEAD - FOOT;
  const y = (value: number): number => HEAD + (1 - value) * tall;
  context.strokeStyle = LINES;
  context.fillStyle = INK;
  context.font = FONT;
  context.lineWidth = 1;
  for (const level of [0, 0.5, 1]) {
    context.beginPath();
    context.moveTo(0, Math.round(y(level)) + 0.5);
    context.lineTo(width, Math.round(y(level)) + 0.5);
    context.stroke();
  }
  writeEnds(context, width, height, `${SPAN_S} s ago`, "now");
  if (endS === undefined) return;
  const x = (timeS: number): number => width * (1 - (endS - timeS) / SPAN_S);
  context.fillStyle = "#4d5a6b";
  const barWidth = Math.max(1, width / SPAN_S / ENVELOPE_HZ);
  for (const [bin, [low, high]] of envelope.bins) {
    const left = x(bin / ENVELOPE_HZ);
    if (left < -2 || left > width) continue;
    context.fillRect(left, y(0.5 + high / 2), barWidth, Math.max(1, ((high - low) * tall) / 2));
  }
  context.lineWidth = 1.6;
  for (const { index, colour } of channels) {
    context.strokeStyle = colour;
    context.beginPath();
    for (let i = 0; i < history.times.length; i++) {
      const up = y(history.rows[i]![index] ?? 0);
      if (i === 0) context.moveTo(x(history.times[i]!), up);
      else context.lineTo(x(history.times[i]!), up);
    }
    context.stroke();
  }
  context.fillStyle = INK;
  for (const level of [0.5, 1]) context.fillText(String(level), 3, y(level) + 11);
}

function writeEnds(context: CanvasRenderingContext2D, width: number, height: number, left: string, right: string): void {
  context.fillStyle = INK;
  context.font = FONT;
  context.fillText(left, 3, height - 4);
  context.fillText(right, width - context.measureText(right).width - 3, height - 4);
}

/** Returns a round end for the axis, seconds, that leaves only a few of the largest ages beyond it. */
export function axisEnd(usualS: number): number {
  const wanted = Math.max(0.02, 1.25 * (usualS || 0));
  const power = 10 ** Math.floor(Math.log10(wanted));
  return power * ([1, 2, 5, 10].find((step) => step * power >= wanted * 0.999) ?? 10);
}

export class Histogram {
  private readonly ages: number[] = [];

  push(ageS: number): void {
    if (!Number.isFinite(ageS)) return;
    this.ages.push(ageS);
    if (this.ages.length > 600) this.ages.shift();
  }

  quantile(share: number): number {
    const sorted = [...this.ages].sort((a, b) => a - b);
    return sorted[Math.round(share * (sorted.length - 1))] ?? NaN;
  }

  draw(canvas: HTMLCanvasElement, widestS: number): void {
    const pen = prepare(canvas);
    if (!pen) return;
    const { context, width, height } = pen;
    const n = 40;
    const counts = new Array<number>(n).fill(0); // the last counts all that are older, too
    for (const age of this.ages) {
      const bin = Math.min(n - 1, Math.max(0, Math.floor((age / widestS) * n)));
      counts[bin]!++;
    }
    const most = Math.max(1, ...counts);
    context.fillStyle = "#7cc4ff";
    counts.forEach((count, i) => {
      if (count === 0) return;
      const tall = Math.max(1.5, (count / most) * (height - FOOT - HEAD));
      context.fillRect((i * width) / n + 1, height - FOOT - tall, width / n - 2, tall);
    });
    const label = `${Math.round(widestS * 1000)} ms`;
    writeEnds(context, width, height, "0 ms", counts[n - 1] ? `${label} and more` : label);
  }
}

function prepare(
  canvas: HTMLCanvasElement,
): { context: CanvasRenderingContext2D; width: number; height: number } | undefined {
  const context = canvas.getContext("2d");
  const ratio = window.devicePixelRatio || 1;
  const width = canvas.clientWidth;
  const height = canvas.clientHeight;
  if (!context || width === 0) return undefined;
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
  }
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  return { context, width, height };
}
