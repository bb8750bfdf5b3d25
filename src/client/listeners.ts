/** Undoes what the call that returned it began. Safe to call twice. */
export type Stop = () => void;

/** Functions to tell, in the order they were added. */
export type Listeners<A extends readonly unknown[]> = {
  add(listener: (...args: A) => void): Stop;
  /** Tells every one of them. One that throws is reported to the environment and stops nobody else. */
  tell(...args: A): void;
};

/** Makes an empty list of functions to tell. */
export function createListeners<A extends readonly unknown[]>(): Listeners<A> {
  // Wrapped so that the same function added twice is told twice and removed one at a time.
  const entries = new Set<{ readonly listener: (...args: A) => void }>();
  return {
    add: (listener) => {
      const entry = { listener };
      entries.add(entry);
      return () => void entries.delete(entry);
    },
    tell: (...args) => {
      for (const { listener } of entries) {
        try {
          listener(...args);
        } catch (error) {
          reportError(error);
        }
      }
    },
  };
}
