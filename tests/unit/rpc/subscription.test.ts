import { describe, expect, test } from "bun:test";
import { LIMITS } from "../../../src/contract/limits.ts";
import type { Audience } from "../../../src/feature.ts";
import type { ActiveRun } from "../../../src/features/events/contract.ts";
import { createSystemFeature } from "../../../src/features/system/feature.ts";
import { Followers } from "../../../src/rpc/followers.ts";
import { Interest } from "../../../src/rpc/interest.ts";
import { Outgoing } from "../../../src/rpc/outgoing.ts";
import { ALL_SCOPES } from "../../../src/rpc/scopes.ts";
import { createSample } from "../../support/features.ts";
import { type LocalClient, TOKEN } from "../../support/local.ts";
import { createSubscribedGateway } from "../../support/subscribed.ts";

const TEN = Array.from({ length: 10 }, (_, n) => n + 1);

function setup(activeRuns?: () => Required<ActiveRun>[]) {
  const features = [createSample().feature];
  return createSubscribedGateway({ features, ...(activeRuns && { activeRuns }) });
}

type Gateway = ReturnType<typeof setup>;

const as = (instanceId: string, more: object = {}) => ({ client: { instanceId }, ...more });

function subscribe(client: LocalClient, params: object): Record<string, unknown> | undefined {
  client.send({ id: "s", method: "events.subscribe", params });
  return client.take().find(({ id }) => id === "s");
}

function publish({ hub }: Gateway, audience?: Audience, name = "sample.must"): number {
  hub.broadcast(name, { n: 0 }, audience && { audience });
  return hub.seq;
}

const of = (sessionKey: string, owner = ""): Audience => ({ sessionKey, owner });
const seqs = (client: LocalClient) => client.take().map(({ seq }) => seq);

describe("an event of a session", () => {
  test("reaches the clients of who began it, by default, and nobody else", () => {
    const gateway = setup();
    const [own, same, other] = [gateway.connect(as("a")), gateway.connect(as("a")), gateway.connect(as("b"))];
    const { subject } = own.connection;
    expect(subject).toContain("a");
    const first = publish(gateway, of("s", subject));
    publish(gateway, of("s"));
    expect([seqs(own), seqs(same), seqs(other)]).toEqual([[first], [first], []]);
  });

  test("reaches who follows the session, and who follows all, once each", () => {
    const gateway = setup();
    const [one, two, all, none] = TEN.map((n) => gateway.connect(as(String(n)))) as [
      LocalClient,
      LocalClient,
      LocalClient,
      LocalClient,
    ];
    subscribe(one, { sessions: ["x", "X", "y"] });
    subscribe(two, { sessions: ["y"] });
    subscribe(all, { sessions: "all" });
    subscribe(none, { sessions: [] });
    const x = publish(gateway, of("x", one.connection.subject));
    const y = publish(gateway, of("y", none.connection.subject));
    const everybody = publish(gateway);
    expect(seqs(one)).toEqual([x, y, everybody]);
    expect(seqs(two)).toEqual([y, everybody]);
    expect(seqs(all)).toEqual([x, y, everybody]);
    // Whoever follows something else has said that its own runs are not it.
    expect(seqs(none)).toEqual([everybody]);
  });

  test("comes only where its scope is", () => {
    const gateway = setup();
    const reader = gateway.connect(as("r", { scopes: ["read"], subscribe: { sessions: "all" } }));
    publish(gateway, of("s"), "sample.secret");
    expect(seqs(reader)).toEqual([]);
  });

  test("costs as many looks as it has followers, however many clients there are", () => {
    const followers = new Followers<{ deliver(): void }>();
    let looks = 0;
    for (let n = 0; n < 1_000; n++) {
      const interest = new Interest(
        { scopeMask: 1, subject: `token:${n}` },
        n < 5 ? { sessions: ["watched"] } : n < 500 ? { sessions: [`other-${n}`] } : {},
      );
      const { takes } = interest;
      interest.takes = (event) => {
        looks++;
        return takes.call(interest, event);
      };
      followers.set({ deliver() {} }, interest);
    }
    const spec = { name: "chat", seq: 1, body: "{}", scope: "read", must: false, key: undefined } as const;
    followers.deliver(new Outgoing({ ...spec, audience: of("watched", "token:900") }));
    expect(looks).toBe(6);
  });

  test("is looked for nowhere once its followers have gone", () => {
    const gateway = setup();
    const [one, two] = [gateway.connect(as("a")), gateway.connect(as("b"))];
    subscribe(one, { sessions: ["s"] });
    subscribe(two, { sessions: "all" });
    one.connection.close(1000, "");
    two.connection.end(4001, "");
    publish(gateway, of("s"));
    publish(gateway);
    expect([seqs(one), seqs(two), gateway.hub.size]).toEqual([[], [], 0]);
  });
});

describe("events.subscribe", () => {
  test("takes the place of what was subscribed, from its answer on", () => {
    const gateway = setup();
    const client = gateway.connect(as("a"));
    const first = publish(gateway);
    client.take();
    expect(subscribe(client, { sessions: ["S"], events: ["sample.must"] })).toEqual({
      id: "s",
      result: { sessions: ["s"], events: ["sample.must"], seq: first, active: [] },
    });
    publish(gateway, of("s"), "sample.latest");
    publish(gateway, undefined, "sample.latest");
    const must = publish(gateway, of("s"));
    expect(seqs(client)).toEqual([must]);
    expect(subscribe(client, { events: ["sample.latest"] })).toMatchObject({ result: { seq: must } });
    publish(gateway, of("s"));
    publish(gateway);
    const own = publish(gateway, of("other", client.connection.subject), "sample.latest");
    expect(seqs(client)).toEqual([own]);
    client.send({ id: "u", method: "events.unsubscribe" });
    expect(client.take()).toEqual([{ id: "u", result: { seq: own } }]);
    publish(gateway, of("s"));
    expect(seqs(client)).toEqual([]);
    const mine = publish(gateway, of("s", client.connection.subject));
    expect(seqs(client)).toEqual([mine]);
  });

  test("tells the text of running answers so that the next piece fits it", () => {
    const sent: string[] = [];
    const gateway = setup(() => [{ runId: "r", sessionKey: "s", text: sent.join(""), startedAt: 7 }]);
    const say = (text: string): void => {
      const offset = sent.join("").length;
      sent.push(text);
      gateway.hub.broadcast("sample.must", { n: offset, pad: text }, { audience: of("s") });
    };
    const client = gateway.connect(as("a"));
    say("one ");
    say("two ");
    const answer = subscribe(client, { sessions: ["s"] });
    say("three");
    expect(answer).toMatchObject({
      result: { active: [{ runId: "r", sessionKey: "s", text: "one two ", startedAt: 7 }] },
    });
    expect(client.take()).toEqual([{ event: "sample.must", seq: 3, n: "one two ".length, pad: "three" }]);
    // Of its own runs alone nothing is asked.
    expect(subscribe(client, {})).toMatchObject({ result: { active: [] } });
  });

  test("more text than one answer holds is left out, the runs are told", () => {
    const text = "x".repeat(LIMITS.activeBytesMax - 100);
    const runs = ["r1", "r2"].map((runId) => ({ runId, sessionKey: "s", text, startedAt: 1 }));
    const gateway = setup(() => runs);
    const client = gateway.connect(as("a"));
    expect(subscribe(client, { sessions: "all" })).toMatchObject({
      result: {
        active: [
          { runId: "r1", text },
          { runId: "r2", sessionKey: "s", startedAt: 1 },
        ],
      },
    });
    expect(client.connection.interest.sessions).toBe("all");
  });

  test.each([
    [{ events: ["sample.must", "typo", "else"] }, "invalid_params", '"typo", "else": no such event'],
    [{ events: ["sample.secret"] }, "forbidden", 'needs the scope "admin"'],
    [{ sessions: "some" }, "invalid_params", "sessions"],
    [{ sessions: Array.from({ length: 201 }, String) }, "invalid_params", "sessions"],
    [{ session: ["x"] }, "invalid_params", '"session" is not a parameter'],
  ])("%j is refused, and what was subscribed stays", (params, code, words) => {
    const gateway = setup();
    const client = gateway.connect(as("a", { scopes: ["read"], subscribe: { sessions: ["s"] } }));
    const answer = subscribe(client, params);
    expect(answer).toMatchObject({ error: { code } });
    expect(JSON.stringify(answer)).toContain(JSON.stringify(words).slice(1, -1));
    const seq = publish(gateway, of("s"));
    expect(seqs(client)).toEqual([seq]);
  });

  test("over HTTP is refused in words", async () => {
    const { dispatcher } = setup();
    const caller = {
      connId: "h",
      subject: "t:",
      name: "t",
      scopes: ALL_SCOPES,
      connectedMs: 0,
      onGone: () => () => {},
    };
    for (const method of ["events.subscribe", "events.unsubscribe"]) {
      expect(await dispatcher.dispatch(method, {}, caller)).toMatchObject({
        ok: false,
        error: { code: "invalid_request", message: expect.stringContaining("over HTTP") as string },
      });
    }
  });

  test("what a connection lives by comes whatever it has subscribed to", () => {
    const parts = { presence: () => [], restart() {}, onClients: () => () => {}, onRuns: () => () => {} };
    const nothing = (): never => {
      throw new Error("not asked");
    };
    const system = createSystemFeature({ ...parts, health: nothing, status: nothing });
    const gateway = createSubscribedGateway({ features: [createSample().feature, system] });
    const client = gateway.connect(as("a", { subscribe: { sessions: [], events: [] } }));
    publish(gateway);
    gateway.hub.broadcast("tick", { ts: 1 });
    gateway.hub.broadcast("shutdown", { reason: "", restartExpectedMs: 0 });
    expect(client.take().map(({ event }) => event)).toEqual(["tick", "shutdown"]);
  });
});

describe("resume", () => {
  function resume(gateway: Gateway, seq: number, more: object) {
    const client = gateway.open();
    const { epoch } = gateway.hub;
    client.send({
      id: 1,
      method: "connect",
      params: { auth: { token: TOKEN }, resume: { epoch, seq }, ...more },
    });
    const [, hello, ...events] = client.take();
    return { client, hello: hello?.["result"], seqs: events.map((event) => event["seq"]) };
  }

  test("replays by what is subscribed with it, by the default without", () => {
    const gateway = setup();
    const { subject } = gateway.connect(as("a")).connection;
    const own = publish(gateway, of("other", subject));
    const followed = publish(gateway, of("s"));
    const everybody = publish(gateway);
    expect(resume(gateway, 0, as("a")).seqs).toEqual([own, everybody]);
    expect(resume(gateway, 0, as("b")).seqs).toEqual([everybody]);
    const back = resume(gateway, 0, as("a", { subscribe: { sessions: ["S"], events: ["sample.must"] } }));
    expect(back.seqs).toEqual([followed, everybody]);
    expect(back.hello).toMatchObject({ resume: { replayed: 2, resync: false } });
    const live = publish(gateway, of("s"));
    expect(seqs(back.client)).toEqual([live]);
  });

  test("an event nobody declares any more keeps nobody out", () => {
    const gateway = setup();
    const { client } = resume(gateway, 0, { subscribe: { events: ["gone.by", "sample.must"] } });
    const seq = publish(gateway);
    expect(seqs(client)).toEqual([seq]);
  });

  test("after a credential at the upgrade, what has come already comes no second time, and nothing is left out", () => {
    const gateway = setup();
    publish(gateway, of("s"));
    const grant = { credential: "token", scopes: ALL_SCOPES };
    const client = gateway.open({ grant });
    const heard = publish(gateway);
    const unheard = publish(gateway, of("s"));
    expect(seqs(client)).toEqual([undefined, heard]);
    const { epoch } = gateway.hub;
    client.send({
      id: 1,
      method: "connect",
      params: { subscribe: { sessions: ["s"] }, resume: { epoch, seq: 0 } },
    });
    expect(seqs(client)).toEqual([undefined, 1, unheard]);
  });

  test("with a subscription between upgrade and connect nobody knows what has come, which is said", () => {
    const gateway = setup();
    const client = gateway.open({ grant: { credential: "token", scopes: ALL_SCOPES } });
    subscribe(client, { sessions: "all" });
    const { epoch } = gateway.hub;
    client.send({ id: 1, method: "connect", params: { resume: { epoch, seq: 0 } } });
    expect(client.take()).toMatchObject([{ result: { resume: { resync: true, replayed: 0 } } }]);
  });
});

describe("another hub that goes on", () => {
  test("replays what the one before published, by scope and audience, and counts on", () => {
    const before = setup();
    publish(before, undefined, "sample.secret");
    const followed = publish(before, of("s", "token:a"));
    publish(before, of("other"));
    before.hub.broadcast("sample.latest", { n: 1 }, { key: "k" });
    const saved = before.hub.save();

    const gateway = createSubscribedGateway({ features: [createSample().feature], epoch: "epoch-2" });
    gateway.hub.restore(JSON.parse(JSON.stringify(saved)) as typeof saved);
    expect([gateway.hub.epoch, gateway.hub.seq]).toEqual([before.hub.epoch, before.hub.seq]);
    const next = publish(gateway);
    expect(next).toBe(saved.seq + 1);
    const client = gateway.open();
    client.send({
      id: 1,
      method: "connect",
      params: {
        auth: { token: TOKEN },
        scopes: ["read"],
        subscribe: { sessions: ["s"] },
        resume: { epoch: before.hub.epoch, seq: 0 },
      },
    });
    expect(seqs(client).slice(2)).toEqual([followed, followed + 2, next]);
  });

  test("remembers what was gone already", () => {
    const before = setup();
    for (let n = 0; n < LIMITS.ringEventsMax + 3; n++) publish(before);
    const saved = before.hub.save();
    expect([saved.lostSeq, saved.events.length]).toEqual([3, LIMITS.ringEventsMax]);
    const gateway = setup();
    gateway.hub.restore(saved);
    const all = () => true;
    expect(gateway.hub.resume({ epoch: "epoch-1", seq: 2 }, all).resync).toBe(true);
    expect(gateway.hub.resume({ epoch: "epoch-1", seq: 3 }, all)).toMatchObject({ resync: false });
    expect(gateway.hub.resume({ epoch: "epoch-1", seq: 3 }, all).events).toHaveLength(LIMITS.ringEventsMax);
  });
});
