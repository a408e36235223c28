/** Annotation keys that Slipway reads or writes (image-spec, annotations.md; containerd's own). */
export const ANNOTATION = {
  /** the name of a manifest in a layout: a tag, or a full reference in the local store */
  refName: 'org.opencontainers.image.ref.name',
  /** the full reference, as containerd and nerdctl write it into archives */
  containerdName: 'io.containerd.image.name',
  created: 'org.opencontainers.image.created',
  title: 'org.opencontainers.image.title',
  revision: 'org.opencontainers.image.revision',
  version: 'org.opencontainers.image.version',
  source: 'org.opencontainers.image.source',
  url: 'org.opencontainers.image.url',
  /** the image that this one is built on */
  baseName: 'org.opencontainers.image.base.name',
  baseDigest: 'org.opencontainers.image.base.digest',
  /** BuildKit: this entry of an index describes another one, it is no image */
  dockerReferenceType: 'vnd.docker.reference.type',
  dockerReferenceDigest: 'vnd.docker.reference.digest',
} as const;

/** The media type's annotations map. */
export type Annotations = Readonly<Record<string, string>>;
