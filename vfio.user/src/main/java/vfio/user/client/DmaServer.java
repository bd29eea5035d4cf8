package vfio.user.client;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.List;
import vfio.linux.NativeBuffer;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.VfioException;
import vfio.user.internal.Command;
import vfio.user.internal.Header;
import vfio.user.internal.Layout;
import vfio.user.internal.MessageChannel;

/** Answers DMA_READ and DMA_WRITE of the server. Used by one thread. */
final class DmaServer implements AutoCloseable {
    private static final Logger LOGGER = System.getLogger(DmaServer.class.getPackageName());

    private final MessageChannel channel;
    private final DmaHandler handler;
    private final int transferMaximum;
    private final NativeBuffer reply;

    /**
     * @param channel where replies go, and for {@link #run} where requests come from; stays the caller's
     * @param transferMaximum most bytes in one request
     */
    DmaServer(MessageChannel channel, DmaHandler handler, int transferMaximum) {
        this.channel = channel;
        this.handler = handler;
        this.transferMaximum = transferMaximum;
        reply = channel.newBuffer();
    }

    /** Serves a channel that carries nothing but requests, until it ends. */
    void run() {
        try {
            while (channel.receive()) {
                serve(channel.received(), channel.oversized() ? -1 : channel.dataSize());
            }
        } catch (VfioException e) {
            LOGGER.log(Level.DEBUG, "the twin socket ended: {0}", e.getMessage());
        }
    }

    /**
     * Serves one request.
     *
     * @param request header and data
     * @param size bytes of data, or -1 if they are not there
     */
    void serve(ByteBuffer request, int size) {
        int flags = request.getInt(Header.FLAGS);
        if ((flags & Header.FLAGS_TYPE_MASK) != Header.FLAGS_TYPE_COMMAND) {
            return;
        }
        int errno = 0;
        int replySize = 0;
        try {
            replySize = execute(request, size);
        } catch (VfioException e) {
            errno = e.errno().number();
        } catch (RuntimeException e) {
            LOGGER.log(Level.ERROR, "a DMA handler failed; the server gets EIO", e);
            errno = Errno.EIO.number();
        }
        if ((flags & Header.FLAGS_NO_REPLY) == 0) {
            channel.send(
                    reply,
                    request.getShort(Header.MESSAGE_ID),
                    request.getShort(Header.COMMAND),
                    Header.FLAGS_TYPE_REPLY | (errno == 0 ? 0 : Header.FLAGS_ERROR),
                    errno,
                    replySize,
                    List.of());
        }
    }

    @Override
    public void close() {
        reply.close();
    }

    private int execute(ByteBuffer request, int size) {
        int command = request.getShort(Header.COMMAND) & 0xffff;
        if (command != Command.DMA_READ.number() && command != Command.DMA_WRITE.number()) {
            throw new VfioException(Errno.ENOSYS, "command " + command + " is not for a client");
        }
        boolean read = command == Command.DMA_READ.number();
        if (size < Layout.DmaIo.SIZE) {
            throw new VfioException(Errno.EINVAL, "a DMA request of " + size + " bytes");
        }
        long iova = request.getLong(Header.SIZE + Layout.DmaIo.ADDRESS);
        long count = request.getLong(Header.SIZE + Layout.DmaIo.COUNT);
        if (count < 1 || count > transferMaximum || size != Layout.DmaIo.SIZE + (read ? 0 : count)) {
            throw new VfioException(Errno.EINVAL, "a DMA request for " + count + " bytes");
        }
        int data = Header.SIZE + Layout.DmaIo.DATA;
        if (read) {
            handler.read(iova, part(reply.bytes(), data, (int) count));
        } else {
            handler.write(iova, part(request, data, (int) count));
        }
        reply.bytes().putLong(Header.SIZE + Layout.DmaIo.ADDRESS, iova);
        reply.bytes().putLong(Header.SIZE + Layout.DmaIo.COUNT, count);
        return Layout.DmaIo.SIZE + (read ? (int) count : 0);
    }

    private static ByteBuffer part(ByteBuffer whole, int index, int length) {
        return whole.slice(index, length).order(ByteOrder.LITTLE_ENDIAN);
    }
}
