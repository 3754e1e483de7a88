// Moods, gestures and looks that this page asks of the running program, where that takes them.
import type { Connection } from "./connection";
import { element } from "./page";

const LOOK_MS = 50; // a slider that is dragged asks no more often
const AXES = ["yaw", "pitch"] as const;

export class Wishes {
  private readonly amount = element("mood-amount", HTMLInputElement);
  private readonly looks = AXES.map((axis) => element(`look-${axis}`, HTMLInputElement));
  private readonly text = element("wish-text", HTMLParagraphElement);
  private mood = "neutral";
  private names = "";
  private lookTimer: number | undefined;

  constructor(private readonly connection: Connection) {
    const amountText = element("mood-amount-text", HTMLOutputElement);
    this.amount.oninput = () => {
      amountText.textContent = `${Math.round(Number(this.amount.value) * 100)} %`;
    };
    this.amount.onchange = () => this.askMood();
    this.looks.forEach((look, i) => {
      const text = element(`look-${AXES[i]}-text`, HTMLOutputElement);
      look.oninput = () => {
        text.textContent = `${look.value}°`;
        this.lookTimer ??= window.setTimeout(() => this.askLook(), LOOK_MS);
      };
    });
    element("look-free", HTMLButtonElement).onclick = () => {
      this.looks.forEach((look, i) => {
        look.value = "0";
        element(`look-${AXES[i]}-text`, HTMLOutputElement).textContent = "0°";
      });
      this.ask({ type: "look" });
    };
    element("rest", HTMLButtonElement).onclick = () => this.rest();
    element("wake", HTMLButtonElement).onclick = () => this.ask({ type: "wake" });
    this.allow([], []);
  }

  /** What the program takes; nothing where it takes no wishes. */
  allow(moods: string[], gestures: string[]): void {
    element("wishes", HTMLFieldSetElement).disabled = moods.length === 0;
    this.text.textContent = moods.length ? "" : "This page reaches no running program that takes wishes: see `control.osc`.";
    const names = [...moods, "", ...gestures].join();
    if (!moods.length || names === this.names) return;
    this.names = names;
    const buttons = (list: string[], press: (name: string) => void): HTMLButtonElement[] =>
      list.map((name) => {
        const button = document.createElement("button");
        button.type = "button";
        button.textContent = name;
        button.dataset.wish = name;
        button.onclick = () => press(name);
        return button;
      });
    element("moods", HTMLParagraphElement).replaceChildren(
      ...buttons(moods, (name) => {
        this.mood = name;
        this.askMood();
      }),
    );
    element("gestures", HTMLParagraphElement).replaceChildren(
      ...buttons(gestures, (name) => this.ask({ type: "gesture", gesture: name })),
    );
    this.showMood();
  }

  refused(why: string): void {
    this.text.textContent = why;
  }

  private askMood(): void {
    this.showMood();
    this.ask({ type: "mood", mood: this.mood, amount: Number(this.amount.value) });
  }

  private askLook(): void {
    this.lookTimer = undefined;
    const [yaw, pitch] = this.looks.map((look) => Number(look.value));
    this.ask({ type: "look", yaw_deg: yaw, pitch_deg: pitch });
  }

  private rest(): void {
    this.mood = "neutral";
    this.showMood();
    this.ask({ type: "rest" });
  }

  private showMood(): void {
    for (const button of element("moods", HTMLParagraphElement).querySelectorAll("button"))
      button.setAttribute("aria-pressed", String(button.dataset.wish === this.mood));
  }

  private ask(message: object): void {
    this.text.textContent = "";
    this.connection.send(message);
  }
}
