package vfio.sim.xl710;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.BooleanSupplier;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import vfio.pci.api.device.Memory;
import vfio.pci.api.device.PacketPort;
import vfio.pci.api.device.VfioException;

/** The physical function's side of a card: switch, link, and the engine that works for all virtual functions. */
public final class Adapter implements AutoCloseable {
    private static final Logger LOGGER = System.getLogger(Adapter.class.getPackageName());

    /** How many virtual functions a card has at most. */
    public static final int FUNCTIONS_MAXIMUM = VirtualSwitch.HOST;

    /** How many queue pairs a virtual function has at most. */
    public static final int QUEUE_PAIRS_MAXIMUM = Vsi.QUEUES_MAXIMUM;

    static final int LINK_MEGABITS = 40_000;

    /** VIRTCHNL_LINK_SPEED_40GB. */
    static final int LINK_SPEED = 1 << 4;

    private final String name;
    private final int queuePairs;
    private final long addresses;
    private final VirtualSwitch forwarding = new VirtualSwitch();
    private final TransmitPath transmitPath = new TransmitPath();
    private final ReceivePath receivePath = new ReceivePath();
    private final Frame frame = new Frame();
    private final @Nullable VirtualFunction[] functions = new @Nullable VirtualFunction[FUNCTIONS_MAXIMUM];
    private final Engine engine;
    private final @Nullable HostPort host;
    private long raised;
    private volatile boolean linkUp = true;

    /**
     * Powers on a card.
     *
     * @param name for threads and the log
     * @param queuePairs of each virtual function, 1 to 16
     * @param hostPort opens the link to the host; empty for none
     * @param addresses the MAC address of virtual function 0, its first byte in the high one of 48 bits; the others follow
     */
    public Adapter(String name, int queuePairs, long addresses, Optional<Supplier<PacketPort>> hostPort) {
        this.name = name;
        this.queuePairs = queuePairs;
        this.addresses = addresses;
        engine = new Engine("xl710 " + name, this::poll, this::needsPolling);
        host = hostPort.map(this::plug).orElse(null);
    }

    /**
     * Powers on a virtual function.
     *
     * @param number from 0
     * @param registers memory of its BAR0
     * @param busMaster whether it may do DMA; asked often, by the engine's thread
     * @param vectors its MSI-X vectors
     */
    public VirtualFunction function(int number, Memory registers, BooleanSupplier busMaster, Vectors vectors) {
        VirtualFunction function = new VirtualFunction(this, number, registers, busMaster, vectors);
        engine.call(() -> {
            functions[number] = function;
            forwarding.plug(number, function);
        });
        return function;
    }

    /** Whether the link is up. */
    public boolean isLinkUp() {
        return linkUp;
    }

    /** The link goes up or down; drivers are told. */
    public void setLink(boolean up) {
        engine.call(() -> {
            linkUp = up;
            for (VirtualFunction function : functions) {
                if (function != null) {
                    function.linkChanged();
                }
            }
        });
        engine.ring();
    }

    /** What is plugged in, by number. */
    public List<PortStatus> ports() {
        List<PortStatus> ports = new ArrayList<>();
        engine.call(() -> {
            for (VirtualFunction function : functions) {
                if (function != null) {
                    ports.add(PortStatus.of(function, forwarding));
                }
            }
            if (host != null) {
                ports.add(PortStatus.of(host));
            }
        });
        return ports;
    }

    /** Powers off. */
    @Override
    public void close() {
        engine.close();
        if (host != null) {
            host.close();
        }
    }

    String name() {
        return name;
    }

    int queuePairs() {
        return queuePairs;
    }

    /** The MAC address of a virtual function. */
    long address(int number) {
        return addresses + number;
    }

    Engine engine() {
        return engine;
    }

    VirtualSwitch forwarding() {
        return forwarding;
    }

    TransmitPath transmitPath() {
        return transmitPath;
    }

    ReceivePath receivePath() {
        return receivePath;
    }

    /** The one frame that is on its way. */
    Frame frame() {
        return frame;
    }

    /** A virtual function has interrupts to raise when this round is over. */
    void raiseLater(int number) {
        raised |= 1L << number;
    }

    void removed(VirtualFunction function) {
        functions[function.number()] = null;
    }

    /** A host port that cannot be had is reported, and the card works without. */
    private @Nullable HostPort plug(Supplier<PacketPort> opener) {
        try {
            HostPort port = new HostPort(opener.get(), this);
            engine.call(() -> forwarding.plug(VirtualSwitch.HOST, port));
            return port;
        } catch (VfioException e) {
            LOGGER.log(Level.ERROR, "{0} has no host port: {1}", name, e.getMessage());
            return null;
        }
    }

    private boolean poll() {
        HostPort port = host;
        boolean worked = port != null && port.poll();
        for (VirtualFunction function : functions) {
            if (function != null) {
                worked |= function.poll();
            }
        }
        for (long due = raised; due != 0; due &= due - 1) {
            VirtualFunction function = functions[Long.numberOfTrailingZeros(due)];
            if (function != null) {
                function.raise();
            }
        }
        raised = 0;
        return worked;
    }

    private boolean needsPolling() {
        for (VirtualFunction function : functions) {
            if (function != null && function.needsPolling()) {
                return true;
            }
        }
        return false;
    }
}
