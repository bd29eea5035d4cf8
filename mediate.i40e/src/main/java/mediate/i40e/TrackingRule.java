package mediate.i40e;

/**
 * What a tracker does so that it misses no page. Each rule is needed; that a tracker without one is found out is what tests of the
 * tests show.
 */
enum TrackingRule {
    /** Buffers that were posted when tracking begins are known from their descriptors. */
    ARM_SCAN,
    /** Posting: a buffer whose slot is posted anew has been written, and nobody may have seen that. */
    POST_MARKS,
    /** Posting: the driver has cleared the slot at the new tail, too. */
    POST_MARKS_AT_TAIL,
    /** Posting: the address of a buffer is noted before the device can overwrite it. */
    POST_NOTES,
    /** Enabling: what was posted before a queue is enabled belongs to it. */
    ENABLE_NOTES,
    /** A buffer whose descriptor says done has been written. */
    DONE,
    /** The buffers of a queue that has ended may have been written. */
    QUEUE_END,
    /** What is still posted when the device stops may have been written. */
    STOP,
    /** The buffers that a head has passed have been written. For the tracker that follows interrupts. */
    HEAD_MOVED,
    /**
     * A queue that may have used more than was noted, or have gone round, means that a look came too late. For the tracker that follows
     * interrupts.
     */
    LATE_LOOK,
    /** Descriptors of receive queues are written back. */
    RECEIVE_RING,
    /** Descriptors of transmit queues are written back. */
    TRANSMIT_RING,
    /** The heads of transmit queues are written back, if a driver wants that. */
    HEAD_WRITE_BACK,
    /** Descriptors of the admin receive queue are written back. */
    ARQ_RING,
    /** Messages of the device are written. */
    ARQ_BUFFERS,
    /** Descriptors of the admin transmit queue are written back. */
    ATQ_RING,
    /** Answers to commands are written where the commands were, unless the device only reads there. */
    ATQ_BUFFERS,
    /** What was in use until lately is marked once more. */
    FORMER
}
