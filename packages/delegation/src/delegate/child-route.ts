import { isFaultError, type ModelProvider, type ModelSettings } from '@troupe/protocol';
import { childProvider } from '../routes/child-provider.ts';
import { type Route, routeOf } from '../routes/route-of.ts';
import { settingsFor } from '../routes/settings-for.ts';
import type { DelegatePolicy } from './delegate-options.ts';

/** How children of a run reach their model; `undefined` when that is as their parent does. @throws FaultError `delegate.…` */
const routeFor = ({ route, model }: DelegatePolicy, parentModel: string): Route | undefined => {
  if (!route) return undefined;
  const { to, parent = { provider: 'parent' }, connect: _, keepSettings: __, ...lookups } = route;
  return routeOf({ ...lookups, parent: { ...parent, model: model ?? parentModel }, delegation: to });
};

/** What a child's model is and is asked with, or why that cannot be. */
export const modelFor = (
  policy: DelegatePolicy,
  parent: { model: string; settings?: ModelSettings | undefined },
): { model: string; settings: ModelSettings; warnings: readonly string[] } | { error: string } => {
  try {
    const route = routeFor(policy, parent.model);
    const { settings = {} } = parent;
    const inherited = route ? settingsFor(route, settings, policy.route?.keepSettings) : settings;
    return {
      model: route?.model ?? policy.model ?? parent.model,
      settings: { ...inherited, ...policy.settings },
      warnings: route?.warnings ?? [],
    };
  } catch (error) {
    if (isFaultError(error)) return { error: error.message };
    throw error;
  }
};

/** The provider of children that are sent elsewhere; `undefined` for those that use their parent's. */
export const providerFor = (policy: DelegatePolicy, model: string): ModelProvider | undefined => {
  const route = routeFor(policy, model);
  return route && policy.route && childProvider(route, policy.route.connect, policy.route.pools);
};
