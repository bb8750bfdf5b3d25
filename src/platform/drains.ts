/** What the watch asks of a socket. */
type Draining = { bufferedBytes(): number; drained(): void };

/**
 * Distance of looks at the buffers: a reader that resumes is served again soon, a stuck one costs nothing
 * to watch.
 */
const lookMs = 20;

/**
 * Tells sockets that their buffer is empty again, on a runtime that does not. Runs only while one has to be
 * told.
 */
export class Drains {
  readonly #waiting = new Set<Draining>();
  #timer: ReturnType<typeof setInterval> | undefined;

  add(socket: Draining): void {
    this.#waiting.add(socket);
    this.#timer ??= setInterval(() => this.#look(), lookMs);
  }

  delete(socket: Draining): void {
    this.#waiting.delete(socket);
    if (this.#waiting.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #look(): void {
    for (const socket of [...this.#waiting]) {
      if (socket.bufferedBytes() > 0) continue;
      this.delete(socket);
      socket.drained();
    }
  }
}
