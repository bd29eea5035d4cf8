package vfio.user.client;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.List;
import vfio.linux.Descriptor;
import vfio.user.internal.Command;
import vfio.user.internal.Header;
import vfio.user.internal.Layout;

/** Commands without a subject of their own, and commands that somebody else has composed. */
final class CommandClient {
    private final Exchange exchange;

    CommandClient(Exchange exchange) {
        this.exchange = exchange;
    }

    void reset() {
        Call call = exchange.begin();
        try {
            exchange.request(call, Command.DEVICE_RESET, 0, 0);
        } finally {
            exchange.end(call);
        }
    }

    byte[] feature(int flags, byte[] data, int replyMaximum) {
        exchange.requireFits(Layout.DeviceFeature.SIZE + (long) data.length);
        Call call = exchange.begin();
        try {
            call.putInt(Layout.DeviceFeature.ARGSZ, Layout.DeviceFeature.SIZE + replyMaximum)
                    .putInt(Layout.DeviceFeature.FLAGS, flags);
            call.bytes().put(Header.SIZE + Layout.DeviceFeature.DATA, data);
            exchange.request(
                    call, Command.DEVICE_FEATURE, Layout.DeviceFeature.SIZE + data.length, Layout.DeviceFeature.SIZE);
            byte[] reply = new byte[call.size() - Layout.DeviceFeature.SIZE];
            call.bytes().get(Header.SIZE + Layout.DeviceFeature.DATA, reply);
            return reply;
        } finally {
            exchange.end(call);
        }
    }

    Reply request(int command, byte[] data, List<Descriptor> attached) {
        exchange.requireFits(data.length);
        Call call = exchange.begin();
        try {
            call.bytes().put(Header.SIZE, data);
            exchange.request(call, command, data.length, attached);
            if (call.size() < 0) {
                throw call.broken("it exceeds the agreed size");
            }
            byte[] reply = new byte[call.size()];
            call.bytes().get(Header.SIZE, reply);
            return new Reply(
                    call.failed(),
                    call.errno(),
                    ByteBuffer.wrap(reply).order(ByteOrder.LITTLE_ENDIAN),
                    call.takeDescriptors());
        } finally {
            exchange.end(call);
        }
    }

    void post(int command, byte[] data, List<Descriptor> attached) {
        exchange.requireFits(data.length);
        Call call = exchange.begin();
        try {
            call.bytes().put(Header.SIZE, data);
            exchange.post(call, command, data.length, attached);
        } finally {
            exchange.end(call);
        }
    }
}
