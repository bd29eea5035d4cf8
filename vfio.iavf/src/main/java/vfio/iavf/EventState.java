package vfio.iavf;

import java.time.Duration;

/** What the PF has said in events. */
final class EventState {
    private static final int EVENT_SIZE = 16;

    private final Mailbox mailbox;
    private boolean plainSpeed;
    private LinkState link = LinkState.UNKNOWN;
    private boolean resetImpending;

    EventState(Mailbox mailbox) {
        this.mailbox = mailbox;
    }

    /**
     * Begins anew.
     *
     * @param speedIsPlain whether speeds are numbers of Mb/s
     */
    void start(boolean speedIsPlain) {
        plainSpeed = speedIsPlain;
        link = LinkState.UNKNOWN;
        resetImpending = false;
    }

    LinkState link() {
        return link;
    }

    /** Forgets what was said about the link, so that {@link #awaitLink} waits for news. */
    void forgetLink() {
        service();
        link = LinkState.UNKNOWN;
    }

    boolean resetImpending() {
        return resetImpending;
    }

    void service() {
        for (Message event = mailbox.pollEvent(); event != null; event = mailbox.pollEvent()) {
            take(event);
        }
    }

    LinkState awaitLink(boolean up, Duration timeout) {
        Deadline deadline = Deadline.in(timeout);
        service();
        while (link.up() != up) {
            Message event = mailbox.awaitEvent(deadline.remaining());
            if (event == null) {
                throw new DeviceViolation(
                        "the PF did not say within " + deadline + " that the link is " + (up ? "up" : "down"));
            }
            take(event);
        }
        return link;
    }

    private void take(Message event) {
        if (event.payload().remaining() != EVENT_SIZE) {
            throw new DeviceViolation("an event has " + event.payload().remaining() + " bytes");
        }
        int kind = event.payload().getInt(0);
        switch (kind) {
            case Virtchnl.EVENT_LINK_CHANGE -> link = LinkState.of(event.payload(), plainSpeed);
            case Virtchnl.EVENT_RESET_IMPENDING -> resetImpending = true;
            case Virtchnl.EVENT_PF_DRIVER_CLOSE -> link = LinkState.UNKNOWN;
            default -> throw new DeviceViolation("the PF sent an event that there is not: " + kind);
        }
    }
}
