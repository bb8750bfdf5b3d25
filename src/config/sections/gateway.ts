import { z } from "zod";
import { LIMITS } from "../../contract/limits.ts";
import { isNetwork } from "../../rpc/address.ts";
import { UNUSED_GATEWAY, UNUSED_GATEWAY_AUTH } from "../original.ts";
import { PORT_DEFAULT, toBind } from "../values.ts";
import { Flag, Secret, Text, whole } from "./common.ts";

const Auth = z.strictObject({
  mode: z.enum(["token", "password", "none"]).optional().meta({
    description: "What clients present; when absent: password if one is set, else token",
    reload: "process",
  }),
  token: Secret.meta({
    description: "Shared token; made at the first start when absent",
    secret: true,
    reload: "process",
  }),
  password: Secret.meta({ description: "Shared password", secret: true, reload: "process" }),
});

const Limits = z.strictObject({
  frameBytesMax: whole(LIMITS.helloFrameBytesMax, 64 * 1024 * 1024)
    .default(LIMITS.frameBytesMax)
    .meta({
      description: "Largest message of a connected client, bytes",
      reload: "process",
    }),
  clientsMax: whole(1, 65_536)
    .default(LIMITS.clientsMax)
    .meta({ description: "Clients at once", reload: "live" }),
});

const Gateway = z.strictObject({
  port: whole(0, 65_535).default(PORT_DEFAULT).meta({
    description: "TCP port; 0 lets the system choose",
    reload: "process",
  }),
  bind: z
    .string()
    .refine((text) => toBind(text) !== undefined, {
      error: ({ input }) =>
        input === "custom"
          ? 'wanted the IP address itself in place of "custom"'
          : 'wanted "loopback", "lan", "tailnet" or an IP address',
    })
    .default("loopback")
    .meta({ description: "Where to listen: loopback, lan, tailnet or one IP address", reload: "process" }),
  mode: z.enum(["local", "remote"]).default("local").meta({
    description: "remote: the gateway runs elsewhere and this file is for its clients",
    reload: "process",
  }),
  auth: Auth.prefault({}).meta({ unused: UNUSED_GATEWAY_AUTH }),
  allowedHosts: z.array(Text.max(253)).default([]).meta({
    description: "Host names clients may use besides loopback names and our own addresses",
    reload: "live",
  }),
  allowedOrigins: z
    .array(
      z.string().refine((text) => /^[a-z][a-z0-9+.-]{0,31}:\/\/[^/\s?#@*]{1,260}$/i.test(text), {
        error: "wanted an origin such as https://host:port",
      }),
    )
    .default([])
    .meta({ description: "Origins of web pages that may connect besides our own", reload: "live" }),
  trustedProxies: z
    .array(z.string().refine(isNetwork, { error: "wanted an IP address or a network such as 10.0.0.0/8" }))
    .default([])
    .meta({
      description: "Addresses or networks of proxies whose forwarded headers are believed",
      reload: "live",
    }),
  limits: Limits.prefault({}),
  reload: z
    .strictObject({
      mode: z.enum(["off", "hot", "restart", "hybrid"]).default("hybrid").meta({
        description:
          "What an edit does: nothing, what needs no restart, a restart, or a restart only where one is needed",
        reload: "live",
      }),
      debounceMs: whole(10, 60_000).default(LIMITS.configDebounceMs).meta({
        description: "Quiet after an edit before the file is read, ms",
        reload: "live",
      }),
    })
    .prefault({}),
  metrics: z
    .strictObject({
      public: Flag.default(false).meta({
        description: "GET /metrics answers without a credential",
        reload: "live",
      }),
    })
    .prefault({}),
  log: z
    .strictObject({
      format: z
        .enum(["text", "json"])
        .default("text")
        .meta({ description: "Form of log lines", reload: "live" }),
      level: z.enum(["debug", "info", "warn", "error"]).default("info").meta({
        description: "Least severe lines that are written",
        reload: "live",
      }),
    })
    .prefault({}),
});

/** Where the gateway listens, for whom, and how it behaves. */
export const gatewaySection = Gateway.prefault({}).meta({
  unused: UNUSED_GATEWAY,
  unusedNotes: { tls: "connections are not encrypted" },
  moved: { token: "gateway.auth.token" },
});
