import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import { printable } from '../bytes/printable.ts';
import { SlipwayError, systemCode } from '../errors.ts';

/** The package, which may be missing. */
export type Client = typeof import('@kubernetes/client-node');
export type KubeConfig = InstanceType<Client['KubeConfig']>;

const TOKEN_FILE = '/var/run/secrets/kubernetes.io/serviceaccount/token';

/**
 * A configuration for each context: those of the files that `KUBECONFIG` names, else of
 * `~/.kube/config`, else the cluster that we run in.
 *
 * @throws SlipwayError `CONFIG_INVALID` where there is none, or none that can be read
 */
export function openKubeConfig(client: Client, env: NodeJS.ProcessEnv): readonly KubeConfig[] {
  const all = new client.KubeConfig();
  const files = (env.KUBECONFIG ?? '').split(delimiter).filter((file) => file !== '');
  const own = join(env.HOME || homedir(), '.kube', 'config');
  if (files.length === 0 && existsSync(own)) files.push(own);
  for (const file of files) {
    const read = new client.KubeConfig();
    guarded(file, () => read.loadFromFile(file));
    // What is said twice is what the first file says, as kubectl has it.
    for (const cluster of read.clusters) addFirst(all.clusters, cluster);
    for (const user of read.users) addFirst(all.users, user);
    for (const context of read.contexts) addFirst(all.contexts, context);
  }
  if (files.length === 0 && existsSync(TOKEN_FILE)) all.loadFromCluster();
  const { clusters, users, contexts } = all;
  if (contexts.length === 0) {
    throw new SlipwayError('CONFIG_INVALID', 'no context of Kubernetes is known', {
      hint: 'KUBECONFIG names files with contexts; if no cluster uses images of REPO, say --without-kube',
    });
  }
  // Two contexts that differ in their namespace ask for the same.
  const distinct = Map.groupBy(contexts, ({ cluster, user }) => `${cluster}\n${user}`);
  return [...distinct.values()].flatMap(([context]) => {
    if (context === undefined) return [];
    const one = new client.KubeConfig();
    one.loadFromOptions({ clusters, users, contexts, currentContext: context.name });
    if (one.getCurrentCluster() !== null && one.getCurrentUser() !== null) return [one];
    const message = `context ${printable(context.name)} of Kubernetes names a cluster or user that isn't there`;
    throw new SlipwayError('CONFIG_INVALID', message, { hint: 'kubectl config view shows both' });
  });
}

function addFirst<T extends { readonly name: string }>(list: T[], one: T): void {
  if (!list.some(({ name }) => name === one.name)) list.push(one);
}

function guarded(file: string, read: () => void): void {
  try {
    read();
  } catch (error) {
    // What the parser says shows lines of the file, which has passwords.
    const reason = systemCode(error) ?? 'it is no configuration of Kubernetes';
    throw new SlipwayError('CONFIG_INVALID', `${file} can't be used: ${reason}`, {
      path: file,
      hint: 'KUBECONFIG names it, or it is ~/.kube/config. Nothing was removed; if no cluster uses images of REPO, say --without-kube',
    });
  }
}
