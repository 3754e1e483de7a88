// How the server's clock stands to the page's, from questions and answers that a slow page or network may hold up.

const LOOSER = 1.1; // an old exchange counts less and less: clocks drift
const RESOLUTION_S = 0.001; // of the page's clock

export class ServerClock {
  /** Server's Unix time less ours, seconds; none while every exchange agrees with one clock for both. */
  skewS = 0;
  private bestTripS = Infinity;

  /** Forgets how good the exchanges were: the next is of another connection. */
  restart(): void {
    this.bestTripS = Infinity;
  }

  /** Takes an exchange: the server read its clock at some instant of the trip, which ended now on ours. */
  learn(tripS: number, serverUnixS: number, nowUnixS: number): void {
    this.bestTripS *= LOOSER;
    if (tripS > this.bestTripS) return;
    this.bestTripS = tripS;
    const least = serverUnixS - nowUnixS - RESOLUTION_S;
    const most = serverUnixS - (nowUnixS - tripS) + RESOLUTION_S;
    // Mostly both are one machine, or set by one time server: half a trip of doubt is no reason to tell times that
    // lie before their sound.
    this.skewS = least <= 0 && most >= 0 ? 0 : (least + most) / 2;
  }
}
