package vfio.user.client;

import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import vfio.linux.Descriptor;
import vfio.linux.EventFd;
import vfio.pci.api.device.InterruptAction;
import vfio.user.internal.Command;
import vfio.user.internal.Header;
import vfio.user.internal.Layout;

/** SET_IRQS in all its forms. */
final class InterruptClient {
    private final Exchange exchange;
    private final Negotiated negotiated;

    InterruptClient(Exchange exchange, Negotiated negotiated) {
        this.exchange = exchange;
        this.negotiated = negotiated;
    }

    EventFd enable(int index, int vector) {
        EventFd event = EventFd.create();
        boolean connected = false;
        try {
            connect(index, InterruptAction.TRIGGER, vector, List.of(event));
            connected = true;
            return event;
        } finally {
            if (!connected) {
                event.close();
            }
        }
    }

    /** Connects runs of events, each at most as long as the server takes descriptors, and disconnects runs of nulls. */
    void connect(int index, InterruptAction action, int start, List<@Nullable EventFd> events) {
        int from = 0;
        while (from < events.size()) {
            boolean connecting = events.get(from) != null;
            int limit = connecting ? Math.min(events.size(), from + negotiated.maxMsgFds()) : events.size();
            int to = from + 1;
            while (to < limit && (events.get(to) != null) == connecting) {
                to++;
            }
            send(index, action, start + from, events.subList(from, to));
            from = to;
        }
    }

    void act(int index, InterruptAction action, int start, int count) {
        request(index, Layout.SetIrqs.FLAGS_DATA_NONE | action.bit(), start, count, new boolean[0], List.of());
    }

    void act(int index, InterruptAction action, int start, boolean[] selected) {
        request(index, Layout.SetIrqs.FLAGS_DATA_BOOL | action.bit(), start, selected.length, selected, List.of());
    }

    private void send(int index, InterruptAction action, int start, List<@Nullable EventFd> events) {
        List<Descriptor> descriptors = new ArrayList<>();
        try {
            for (EventFd event : events) {
                if (event != null) {
                    descriptors.add(event.duplicateDescriptor());
                }
            }
            int flags = Layout.SetIrqs.FLAGS_DATA_EVENTFD | action.bit();
            request(index, flags, start, events.size(), new boolean[0], descriptors);
        } finally {
            descriptors.forEach(Descriptor::close);
        }
    }

    private void request(int index, int flags, int start, int count, boolean[] data, List<Descriptor> descriptors) {
        int size = Layout.SetIrqs.SIZE + data.length;
        Call call = exchange.begin();
        try {
            call.putInt(Layout.SetIrqs.ARGSZ, size)
                    .putInt(Layout.SetIrqs.FLAGS, flags)
                    .putInt(Layout.SetIrqs.INDEX, index)
                    .putInt(Layout.SetIrqs.START, start)
                    .putInt(Layout.SetIrqs.COUNT, count);
            for (int at = 0; at < data.length; at++) {
                call.bytes().put(Header.SIZE + Layout.SetIrqs.DATA + at, (byte) (data[at] ? 1 : 0));
            }
            exchange.request(call, Command.DEVICE_SET_IRQS.number(), size, descriptors);
            call.requireReply(0);
        } finally {
            exchange.end(call);
        }
    }
}
