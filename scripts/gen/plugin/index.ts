import { definePlugin, effect, event, method, z } from "gateway/plugin";

export default definePlugin({
  id: "sample-plugin",
  apiVersion: 1,

  // `plugins.entries.sample-plugin.config`: another value starts the plugin anew.
  config: () => z.strictObject({ greeting: z.string().max(100).default("Hello") }),

  methods: {
    "sample-plugin.greet": effect({
      scope: "write",
      summary: "Greets somebody, and tells everybody",
      params: () => z.strictObject({ name: z.string().min(1).max(100) }),
      result: () => z.strictObject({ text: z.string() }),
    }),
    "sample-plugin.last": method({
      scope: "read",
      summary: "Who was greeted last",
      params: () => z.strictObject({}),
      result: () => z.strictObject({ name: z.string().optional() }),
    }),
  },

  events: {
    "sample-plugin.greeted": event({
      scope: "read",
      delivery: "latest",
      summary: "Somebody was greeted",
      data: () => z.strictObject({ name: z.string() }),
    }),
  },

  start(ctx) {
    const greet = async (name: string): Promise<string> => {
      await ctx.store.set("last", name);
      ctx.publish("sample-plugin.greeted", { name });
      ctx.log.info("greeted somebody");
      return `${ctx.config().greeting}, ${name}`;
    };

    // Agents may call this by its name.
    ctx.tool({
      name: "sample-plugin_greet",
      description: "Greets a person by name",
      input: z.strictObject({ name: z.string().min(1).max(100).describe("whom to greet") }),
      run: ({ name }) => greet(name),
    });

    return {
      handlers: {
        "sample-plugin.greet": async ({ name }) => ({ text: await greet(name) }),
        "sample-plugin.last": async () => {
          const name = await ctx.store.get("last");
          return typeof name === "string" ? { name } : {};
        },
      },
    };
  },
});
