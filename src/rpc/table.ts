import { type Event, type Method, SCOPES } from "../contract/define.ts";
import type { AnyHandler, Feature } from "../feature.ts";
import type { Stop } from "../ports.ts";

export interface MethodEntry {
  readonly name: string;
  readonly feature: string;
  readonly method: Method;
  readonly handler: AnyHandler;
  /** How often it was called; the dispatcher counts. */
  calls: number;
  /** Time spent on its params and results without a compiled parser, ms. */
  coldMs: number;
}

export interface EventEntry {
  readonly name: string;
  readonly feature: string;
  readonly event: Event;
}

/** The live registry: every list of methods, events and scopes is read from here. */
export interface Table {
  /** @throws Error when a name is taken or a declaration cannot be served; nothing is added then */
  add(feature: Feature, handlers: Readonly<Record<string, AnyHandler>>): Stop;
  method(name: string): MethodEntry | undefined;
  event(name: string): EventEntry | undefined;
  methods(): MethodEntry[];
  events(): EventEntry[];
}

export function createTable(): Table {
  const methods = new Map<string, MethodEntry>();
  const events = new Map<string, EventEntry>();
  const byName = (a: { name: string }, b: { name: string }) => (a.name < b.name ? -1 : 1);

  function check(feature: Feature, handlers: Readonly<Record<string, AnyHandler>>): void {
    for (const [name, method] of Object.entries(feature.methods)) {
      if (methods.has(name))
        throw new Error(`Cannot add method "${name}": ${methods.get(name)?.feature} has it`);
      if (!SCOPES.includes(method.scope)) throw new Error(`Cannot add method "${name}": no scope`);
      if (!Object.hasOwn(handlers, name)) throw new Error(`Cannot add method "${name}": no handler`);
    }
    for (const [name, event] of Object.entries(feature.events)) {
      if (events.has(name))
        throw new Error(`Cannot add event "${name}": ${events.get(name)?.feature} has it`);
      if (!SCOPES.includes(event.scope)) throw new Error(`Cannot add event "${name}": no scope`);
    }
  }

  return {
    add(feature, handlers) {
      check(feature, handlers);
      const addedMethods = Object.entries(feature.methods);
      const addedEvents = Object.entries(feature.events);
      for (const [name, method] of addedMethods) {
        const handler = handlers[name];
        if (handler) methods.set(name, { name, feature: feature.name, method, handler, calls: 0, coldMs: 0 });
      }
      for (const [name, event] of addedEvents) events.set(name, { name, feature: feature.name, event });
      return () => {
        for (const [name] of addedMethods) methods.delete(name);
        for (const [name] of addedEvents) events.delete(name);
      };
    },
    method: (name) => methods.get(name),
    event: (name) => events.get(name),
    methods: () => [...methods.values()].sort(byName),
    events: () => [...events.values()].sort(byName),
  };
}
