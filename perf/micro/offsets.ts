/**
 * Where things are in a frame of IPv4 without options, for those who make many packets out of one.
 */
const VIRTIO = 10;
export const CLIENT_ADDRESS_AT = VIRTIO + 12;
export const SOURCE_PORT_AT = VIRTIO + 20;
export const DESTINATION_PORT_AT = VIRTIO + 22;
