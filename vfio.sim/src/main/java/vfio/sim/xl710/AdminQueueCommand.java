package vfio.sim.xl710;

/** Opcodes and result codes of the admin queue, as in the Linux {@code i40e_adminq_cmd.h}. */
final class AdminQueueCommand {
    /** A driver says that it will not use the queue any more. */
    static final int QUEUE_SHUTDOWN = 0x0003;

    /** A message to the physical function. */
    static final int SEND_MSG_TO_PF = 0x0801;

    /** A message from the physical function. */
    static final int SEND_MSG_TO_VF = 0x0802;

    /** Result: there is no such command. */
    static final int RC_ENOSYS = 17;

    private AdminQueueCommand() {}
}
