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
 * Registries by the name of their host. Products that run under any name (Harbor, Artifactory,
 * Nexus, Gitea, distribution, zot, our own) aren't known by it: what they do is learned.
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

const UNKNOWN: HostProfile = { name: 'an unknown registry' };

/** The profile of a host by its name, with or without port. */
export function profileOf(host: string): HostProfile {
  const name = host.replace(/:[0-9]+$/, '').toLowerCase();
  const { host: _, ...profile } = BY_HOST.find((row) => row.host.test(name)) ?? {
    ...UNKNOWN,
    host: /^/,
  };
  return profile;
}
