package vfio.user;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import org.jspecify.annotations.Nullable;
import vfio.linux.Descriptor;
import vfio.linux.EventFd;
import vfio.pci.api.device.InterruptAction;
import vfio.pci.api.device.InterruptInfo;
import vfio.pci.api.device.Signal;
import vfio.user.internal.Layout;

/** SET_IRQS: the data flag says what comes with the request, the action flag what shall happen. */
final class InterruptCommands {
    private InterruptCommands() {}

    static int setIrqs(Session session) {
        if (session.size() < Layout.SetIrqs.SIZE) {
            throw Session.invalid("an interrupt request of " + session.size() + " bytes is too short");
        }
        session.requireArgsz(Layout.SetIrqs.ARGSZ, Layout.SetIrqs.SIZE);
        int flags = session.getInt(Layout.SetIrqs.FLAGS);
        if ((flags & ~(Layout.SetIrqs.FLAGS_DATA_MASK | Layout.SetIrqs.FLAGS_ACTION_MASK)) != 0
                || Integer.bitCount(flags & Layout.SetIrqs.FLAGS_DATA_MASK) != 1
                || Integer.bitCount(flags & Layout.SetIrqs.FLAGS_ACTION_MASK) != 1) {
            throw Session.invalid("interrupt flags 0x" + Integer.toHexString(flags)
                    + " do not name exactly one kind of data and one action");
        }
        InterruptAction action = action(flags & Layout.SetIrqs.FLAGS_ACTION_MASK);
        InterruptInfo info = session.device().interruptInfo(session.getInt(Layout.SetIrqs.INDEX));
        int start = session.getInt(Layout.SetIrqs.START);
        int count = session.getInt(Layout.SetIrqs.COUNT);
        if (start < 0 || count < 0 || count > info.count() - start) {
            throw Session.invalid("interrupts " + Integer.toUnsignedString(start) + " +"
                    + Integer.toUnsignedString(count) + " exceed the " + info.count() + " of index " + info.index());
        }
        if ((flags & Layout.SetIrqs.FLAGS_DATA_EVENTFD) == 0
                && session.channel().descriptors().count() != 0) {
            throw Session.invalid("descriptors came with an interrupt request that takes none");
        }
        switch (flags & Layout.SetIrqs.FLAGS_DATA_MASK) {
            case Layout.SetIrqs.FLAGS_DATA_NONE -> none(session, info, action, start, count);
            case Layout.SetIrqs.FLAGS_DATA_BOOL -> bool(session, info, action, start, count);
            default -> eventfd(session, info, action, start, count);
        }
        return 0;
    }

    private static void none(Session session, InterruptInfo info, InterruptAction action, int start, int count) {
        session.requireSize(Layout.SetIrqs.SIZE);
        if (count != 0) {
            session.device().act(info.index(), action, start, count);
        } else if (action == InterruptAction.TRIGGER && start == 0) {
            session.device().disable(info.index());
        } else {
            throw Session.invalid("a count of 0 disables an index; that takes action TRIGGER and start 0");
        }
    }

    private static void bool(Session session, InterruptInfo info, InterruptAction action, int start, int count) {
        requireSome(count);
        session.requireSize(Layout.SetIrqs.SIZE + count);
        for (int vector = 0; vector < count; vector++) {
            if (session.getByte(Layout.SetIrqs.DATA + vector) != 0) {
                session.device().act(info.index(), action, start + vector, 1);
            }
        }
    }

    private static void eventfd(Session session, InterruptInfo info, InterruptAction action, int start, int count) {
        requireSome(count);
        session.requireSize(Layout.SetIrqs.SIZE);
        int descriptors = session.channel().descriptors().count();
        if (descriptors == 0) {
            session.device().connect(info.index(), action, start, Collections.nCopies(count, (Signal) null));
            return;
        }
        if (action == InterruptAction.UNMASK && info.is(InterruptInfo.Flag.AUTOMASKED)) {
            // QEMU with KVM would have us listen on it, where the specification has us tell; refused, it unmasks by
            // message.
            throw Session.invalid(
                    "an eventfd to unmask interrupts of index " + info.index() + " is not listened to; send UNMASK");
        }
        if (descriptors != count) {
            throw Session.invalid(descriptors + " descriptors came for " + count + " interrupts; send all or none");
        }
        List<@Nullable Signal> signals = new ArrayList<>();
        boolean taken = false;
        try {
            for (int index = 0; index < count; index++) {
                signals.add(signal(session.channel().descriptors().take(index)));
            }
            session.device().connect(info.index(), action, start, signals);
            taken = true;
        } finally {
            if (!taken) {
                for (Signal signal : signals) {
                    if (signal != null) {
                        signal.close();
                    }
                }
            }
        }
    }

    private static Signal signal(Descriptor descriptor) {
        boolean taken = false;
        try {
            Signal signal = EventFd.of(descriptor);
            taken = true;
            return signal;
        } finally {
            if (!taken) {
                descriptor.close();
            }
        }
    }

    private static InterruptAction action(int bit) {
        for (InterruptAction action : InterruptAction.values()) {
            if (action.bit() == bit) {
                return action;
            }
        }
        throw Session.invalid("there is no interrupt action 0x" + Integer.toHexString(bit));
    }

    private static void requireSome(int count) {
        if (count == 0) {
            throw Session.invalid("a count of 0 goes with DATA_NONE only");
        }
    }
}
