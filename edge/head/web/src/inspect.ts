// Inspection mode: what arrives, how old it is, and everything that can be done by hand.
import type { Connection } from "./connection";
import { axisEnd, colourOf, drawCurves, Envelope, Histogram, History } from "./curves";
import { channelKey, type Face } from "./face";
import { element } from "./page";
import type { Player } from "./player";
import { Replay } from "./replay";
import { Sliders } from "./sliders";
import { Wishes } from "./wishes";
import type { Frame, Sound, Status } from "./wire";

const FIRST_CHANNELS = ["jawOpen", "mouthClose", "mouthFunnel", "mouthPucker", "mouthSmileLeft", "mouthLowerDownLeft"];
const FACTS_MS = 250;
const HEARD_MS = 2000; // without sound for so long, the page says how to send it

export class Inspector {
  readonly sliders: Sliders;
  readonly wishes: Wishes;
  readonly replay: Replay;
  private readonly history = new History();
  readonly envelope = new Envelope();
  private readonly ages = new Histogram();
  private status: Status | undefined;
  private frame: Frame | undefined;
  private chosen: { index: number; colour: string; name: string }[] = [];
  private channels = new Set(FIRST_CHANNELS.map(channelKey));
  private shownNames = "";
  private readonly curvesCanvas = element("curves", HTMLCanvasElement);
  private readonly agesCanvas = element("ages", HTMLCanvasElement);
  private drawnFrames = 0;
  private drawRateHz = 0;
  private factsMs = 0;

  constructor(
    face: Face,
    private readonly connection: Connection,
    private readonly player: Player,
  ) {
    element("panel", HTMLDivElement).hidden = false;
    document.body.classList.add("inspecting");
    this.sliders = new Sliders(face.names, connection);
    this.wishes = new Wishes(connection);
    this.replay = new Replay(connection, () => player.names);
    player.overrides.push(this.sliders, this.replay);
    connection.subscribeToSound(true);
  }

  onNames(names: string[]): void {
    if (names.join() === this.shownNames) return;
    this.shownNames = names.join();
    this.history.clear();
    const field = element("channels", HTMLFieldSetElement);
    field.querySelectorAll("label").forEach((label) => label.remove());
    for (const name of names) {
      const label = document.createElement("label");
      const box = document.createElement("input");
      box.type = "checkbox";
      box.checked = this.channels.has(channelKey(name));
      box.onchange = () => {
        if (box.checked) this.channels.add(channelKey(name));
        else this.channels.delete(channelKey(name));
        this.choose(names);
      };
      label.append(box, ` ${name}`);
      field.append(label);
    }
    this.choose(names);
  }

  private choose(names: string[]): void {
    this.chosen = names
      .map((name, index) => ({ name, index }))
      .filter(({ name }) => this.channels.has(channelKey(name)))
      .map((entry, i) => ({ ...entry, colour: colourOf(i) }));
    const legend = element("legend", HTMLUListElement);
    legend.replaceChildren(
      ...this.chosen.map(({ name, colour }) => {
        const item = document.createElement("li");
        item.style.setProperty("color", colour);
        item.textContent = name;
        return item;
      }),
    );
  }

  onFrame(frame: Frame): void {
    this.frame = frame;
    this.history.push(frame.captureUnixS, frame.values);
    this.ages.push(frame.arrivalUnixS - frame.captureUnixS);
    this.replay.pushFrame(frame);
  }

  onSound(sound: Sound): void {
    this.envelope.push(sound.samples, sound.rateHz, sound.startUnixS);
    this.replay.pushSound(sound);
  }

  onStatus(status: Status): void {
    this.status = status;
  }

  update(nowMs: number): void {
    this.drawnFrames++;
    drawCurves(this.curvesCanvas, this.history, this.envelope, this.chosen);
    if (nowMs - this.factsMs < FACTS_MS) return;
    this.drawRateHz = (this.drawnFrames * 1000) / (nowMs - this.factsMs);
    this.drawnFrames = 0;
    this.factsMs = nowMs;
    this.tellFacts(nowMs);
  }

  private tellSound(nowMs: number): void {
    const { heardMs, rateHz } = this.envelope;
    const text =
      nowMs - heardMs < HEARD_MS
        ? `With its sound, ${rateHz / 1000} kHz.`
        : "No sound arrives. For the waveform, send it too: an output with protocol = sound.";
    const line = element("sound-text", HTMLParagraphElement);
    if (line.textContent !== text) line.textContent = text;
  }

  private tellFacts(nowMs: number): void {
    const ms = (seconds: number): string => (Number.isFinite(seconds) ? `${(seconds * 1000).toFixed(0)} ms` : "–");
    const s = this.status;
    const total = s ? s.shown + s.lost : 0;
    const nowUnixS = Date.now() / 1000 + this.connection.clock.skewS;
    const facts: [string, string][] = [
      ["Source", s?.source || "none"],
      ["State", this.frame && s?.source ? this.frame.state : "–"],
      ["Frames", s ? `${s.shown}, ${s.rate_hz.toFixed(1)} /s` : "–"],
      ["Lost", s && total ? `${s.lost} (${((100 * s.lost) / total).toFixed(2)} %), ${s.late} late` : "–"],
      ["Not shown", s ? `${s.refused} foreign, ${s.others} of others` : "–"],
      ["Age, newest frame", this.frame && s?.source ? ms(nowUnixS - this.frame.captureUnixS) : "–"],
      ["Sound to picture", ms(this.player.delayS)],
      ["Held back", ms(this.player.playout.delayS)],
      ["Drawn", `${this.drawRateHz.toFixed(0)} pictures /s`],
      ["Pages open", s ? String(s.pages) : "–"],
    ];
    const list = element("facts", HTMLDListElement);
    if (list.children.length !== facts.length * 2) {
      list.replaceChildren(
        ...facts.flatMap(([name]) => {
          const term = document.createElement("dt");
          term.textContent = name;
          return [term, document.createElement("dd")];
        }),
      );
    }
    const values = list.querySelectorAll("dd");
    facts.forEach(([, value], i) => {
      if (values[i]!.textContent !== value) values[i]!.textContent = value;
    });
    this.tellSound(nowMs);
    const worst = this.ages.quantile(1);
    this.ages.draw(this.agesCanvas, axisEnd(this.ages.quantile(0.95)));
    const median = ms(this.ages.quantile(0.5));
    element("ages-text", HTMLParagraphElement).textContent =
      `median ${median}, 95 % under ${ms(this.ages.quantile(0.95))}, largest ${ms(worst)}`;
  }
}
