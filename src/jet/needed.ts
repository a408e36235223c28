import type { Service } from './definition.ts';
import type { Project } from './pipeline.ts';

/** What a service starts before itself. */
export function neededBy({ links, dependsOn, volumesFrom }: Service): readonly string[] {
  return [...new Set([...links, ...dependsOn, ...volumesFrom].map(({ service }) => service))];
}

/** All that a service needs, each after what it needs itself. */
export function inStartingOrder(service: Service, { services }: Project): readonly Service[] {
  const order = new Set<Service>();
  const visit = (each: Service): void => {
    for (const name of neededBy(each)) {
      const next = services.get(name);
      if (next === undefined || order.has(next)) continue;
      visit(next);
      order.add(next);
    }
  };
  visit(service);
  return [...order];
}

/** The names under which others see a service. */
export function namesOf(name: string, others: readonly Service[]): readonly string[] {
  const links = others.flatMap((each) => each.links).filter(({ service }) => service === name);
  return [...new Set([name, ...links.map(({ alias }) => alias)])];
}

/** Nobody speaks to it: its volumes are used. */
export function isOnlyVolumes(
  { name }: Pick<Service, 'name'>,
  others: readonly Service[],
): boolean {
  return !others.some((each) =>
    [...each.links, ...each.dependsOn].some(({ service }) => service === name),
  );
}
