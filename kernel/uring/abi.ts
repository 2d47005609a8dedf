/**
 * The numbers and layouts of io_uring that we use, from include/uapi/linux/io_uring.h. Offsets into structures are in words
 * of 32 bits, because that is how they are read and written.
 */

// enum io_uring_op, and the flags of single operations
export const IORING_OP_POLL_ADD = 6;
export const IORING_OP_WRITE = 23;
/** Linux 6.7. */
export const IORING_OP_READ_MULTISHOT = 49;
export const IORING_POLL_ADD_MULTI = 1;
/** include/uapi/linux/fs.h: fail with EAGAIN, do not wait. */
export const RWF_NOWAIT = 8;

// sqe->flags
export const IOSQE_BUFFER_SELECT = 1 << 5;
export const IOSQE_CQE_SKIP_SUCCESS = 1 << 6;

// cqe->flags; the upper half is the number of the buffer
export const IORING_CQE_F_BUFFER = 1;
export const IORING_CQE_F_MORE = 2;
export const IORING_CQE_BUFFER_SHIFT = 16;

// io_uring_params.flags. The last two: Linux 6.0 and 6.1.
export const IORING_SETUP_CQSIZE = 1 << 3;
export const IORING_SETUP_SINGLE_ISSUER = 1 << 12;
export const IORING_SETUP_DEFER_TASKRUN = 1 << 13;

/** io_uring_params.features. Linux 6.12: min_wait_usec. */
export const IORING_FEAT_MIN_TIMEOUT = 1 << 15;

export const IORING_ENTER_GETEVENTS = 1;
export const IORING_ENTER_EXT_ARG = 1 << 3;

export const IORING_REGISTER_PROBE = 8;
export const IORING_REGISTER_PBUF_RING = 22;
export const IORING_REGISTER_SYNC_CANCEL = 24;

export const IORING_OFF_SQ_RING = 0;
export const IORING_OFF_SQES = 0x1000_0000;

/** struct io_uring_params: sizes, flags, then the offsets (in bytes) of what lies in the mapped rings. */
export const PARAMS_BYTES = 120;
export const PARAMS = { sqEntries: 0, cqEntries: 1, flags: 2, features: 5, sqHead: 10, sqTail: 11, sqArray: 16, cqHead: 20, cqTail: 21, cqCqes: 25 } as const;

/** struct io_uring_sqe, 64 bytes. `opcode` shares its word with flags (<< 8). `group` is the low half of its word. */
export const SQE_WORDS = 16;
export const SQE = { opcode: 0, fd: 1, offset: 2, address: 4, length: 6, operationFlags: 7, userData: 8, group: 10 } as const;

/** struct io_uring_cqe, 16 bytes. */
export const CQE_WORDS = 4;
export const CQE = { userData: 0, result: 2, flags: 3 } as const;

/** struct io_uring_getevents_arg (sigmask, sigmask_sz, min_wait_usec, ts), with the struct __kernel_timespec behind it. */
export const EVENTS_ARGUMENT_BYTES = 24;
export const EVENTS_MIN_WAIT_WORD = 3;
export const TIMESPEC_BYTES = 16;

/** struct io_uring_buf, and struct io_uring_buf_reg. The tail of a ring of buffers lies in the last half word of its first entry. */
export const BUFFER_ENTRY_BYTES = 16;
export const BUFFER_TAIL_HALFWORD = 7;
export const BUFFER_REGISTRATION_BYTES = 40;

/** struct io_uring_sync_cancel_reg: addr (the user data), fd, flags, timeout (-1, -1: none). */
export const SYNC_CANCEL_BYTES = 64;

/** struct io_uring_probe with room for 64 operations; each has its flags at byte 2, of which 1 says that it is there. */
export const PROBE_HEADER_BYTES = 16;
export const PROBE_OPERATION_BYTES = 8;
export const PROBE_OPERATIONS = 64;
