import type { Challenge } from '../http/challenge.ts';

/** What is known of a kind of registry before it was asked. A field that is left out isn't known. */
export interface HostProfile {
  /** for people */
  readonly name: string;
  /** takes a blob in several PATCHes with `Content-Range` */
  readonly takesChunks?: boolean;
  /** what arrived of a body that was cut is there when the session's status is asked */
  readonly keepsPartialUploads?: boolean;
  /** largest body that goes through, in bytes */
  readonly maxBodyBytes?: number;
  /** mounts a blob when no repository is named */
  readonly mountsWithoutFrom?: boolean;
  /** sets several tags by `PUT …/manifests/<digest>?tag=` */
  readonly setsManyTags?: boolean;
  /** honours `If-Match` and `If-None-Match` on a manifest's PUT */
  readonly honoursConditions?: boolean;
  readonly deletesTags?: boolean;
  readonly deletesManifests?: boolean;
  readonly servesReferrers?: boolean;
}

interface HostRow extends HostProfile {
  /** the whole name of the host, without its port */
  readonly host: RegExp;
}

/**
 * Registries by the name of their host. Products that run under any name are told by their answers,
 * if at all, and what they do is learned.
 */
const BY_HOST: readonly HostRow[] = [
  {
    name: 'Docker Hub',
    host: /^(?:docker\.io|index\.docker\.io|registry-1\.docker\.io)$/,
    // https://github.com/docker/hub-feedback/issues/1772
    keepsPartialUploads: false,
    servesReferrers: true,
    deletesTags: false,
  },
  {
    name: 'Amazon ECR',
    host: /^[0-9]{12}\.dkr[.-]ecr(?:-fips)?\.[a-z0-9-]+\.(?:amazonaws\.com(?:\.cn)?|on\.aws)$/,
    // https://github.com/aws/containers-roadmap/issues/2831
    takesChunks: false,
    keepsPartialUploads: false,
    mountsWithoutFrom: false,
  },
  {
    name: 'Amazon ECR Public',
    host: /^(?:public\.ecr\.aws|ecr-public\.aws\.com)$/,
    // https://github.com/aws/containers-roadmap/issues/2831
    takesChunks: false,
    keepsPartialUploads: false,
    mountsWithoutFrom: false,
  },
  {
    name: 'Google Artifact Registry',
    host: /^(?:[a-z0-9-]+-docker\.pkg\.dev|(?:[a-z]+\.)?gcr\.io)$/,
    // https://cloud.google.com/artifact-registry/docs/docker: only whole uploads
    takesChunks: false,
    keepsPartialUploads: false,
  },
  {
    name: 'Azure Container Registry',
    host: /^[a-z0-9-]+(?:\.[a-z0-9]+\.data)?\.azurecr\.(?:io|cn|us)$/,
    servesReferrers: true,
  },
  {
    name: 'GitHub Container Registry',
    host: /^ghcr\.io$/,
    // A chunk may have 4 MiB, a whole blob any size: https://github.com/wasmCloud/wash/issues/268
    takesChunks: false,
    keepsPartialUploads: false,
    deletesTags: false,
    servesReferrers: false,
  },
  {
    name: 'Quay',
    host: /^quay\.io$/,
    // https://github.com/google/go-containerregistry: a mount without `from` fails there
    mountsWithoutFrom: false,
  },
  {
    name: 'GitLab',
    host: /^registry\.gitlab\.com$/,
    // https://docs.gitlab.com/administration/packages/container_registry/
    deletesTags: true,
    servesReferrers: false,
  },
];

/** What an answer shows of who gave it. */
interface Signs {
  /** the `Server` header */
  readonly server: string | undefined;
  readonly challenges: readonly Challenge[];
}

interface ProductRow extends HostProfile {
  readonly isIt: (signs: Signs) => boolean;
}

/** Products that run under any name, by what they answer. */
const BY_SIGNS: readonly ProductRow[] = [
  {
    name: 'Harbor',
    // https://github.com/goharbor/harbor/issues/10522
    isIt: ({ challenges }) => challenges.some(asksAt(/\/service\/token$/, 'harbor-registry')),
  },
  {
    name: 'GitLab',
    // https://github.com/fraunhoferfokus/deckschrubber/issues/26
    isIt: ({ challenges }) => challenges.some(asksAt(/\/jwt\/auth$/, 'container_registry')),
    // https://docs.gitlab.com/administration/packages/container_registry/
    deletesTags: true,
    servesReferrers: false,
  },
  {
    name: 'Gitea or Forgejo',
    // https://github.com/go-gitea/gitea/issues/36907
    isIt: ({ challenges }) => challenges.some(asksAt(/\/v2\/token$/, 'container_registry')),
  },
  {
    name: 'Sonatype Nexus',
    // https://github.com/sonatype/nexus-public/issues/967
    isIt: ({ server }) => server !== undefined && /^Nexus\//.test(server),
  },
];

function asksAt(realm: RegExp, service: string): (challenge: Challenge) => boolean {
  return ({ parameters }) =>
    parameters.get('service') === service && realm.test(parameters.get('realm') ?? '');
}

/** The product that gives an answer; undefined if it doesn't show. */
export function productOf(signs: Signs): HostProfile | undefined {
  return withoutTest(BY_SIGNS.find(({ isIt }) => isIt(signs)));
}

/** The product of this name. */
export function productNamed(name: string): HostProfile | undefined {
  return withoutTest(BY_SIGNS.find((row) => row.name === name));
}

function withoutTest(row: ProductRow | undefined): HostProfile | undefined {
  if (row === undefined) return undefined;
  const { isIt: _, ...profile } = row;
  return profile;
}

export const UNKNOWN: HostProfile = { name: 'an unknown registry' };

/** The profile of a host by its name, with or without port; undefined if its name tells nothing. */
export function profileOf(host: string): HostProfile | undefined {
  const name = host.replace(/:[0-9]+$/, '').toLowerCase();
  const row = BY_HOST.find((each) => each.host.test(name));
  if (row === undefined) return undefined;
  const { host: _, ...profile } = row;
  return profile;
}
