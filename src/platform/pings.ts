import type { SocketLimits, Stop } from "../ports.ts";

/** What the sweep asks of a socket. */
type Pinged = { sweep(pingsMissedMax: number): void };

/** One timer for all sockets of a server: asks each for a sign of life and ends those that give none. */
export class Pings {
  readonly #sockets = new Set<Pinged>();
  readonly #timer: ReturnType<typeof setInterval>;

  constructor({ pingMs, pingsMissedMax }: Pick<SocketLimits, "pingMs" | "pingsMissedMax">) {
    this.#timer = setInterval(() => {
      for (const socket of this.#sockets) socket.sweep(pingsMissedMax);
    }, pingMs);
  }

  add(socket: Pinged): void {
    this.#sockets.add(socket);
  }

  delete(socket: Pinged): void {
    this.#sockets.delete(socket);
  }

  readonly stop: Stop = () => clearInterval(this.#timer);
}
