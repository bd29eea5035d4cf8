package vfio.sim.xl710;

import java.util.function.BooleanSupplier;
import java.util.function.IntConsumer;
import org.jspecify.annotations.Nullable;
import vfio.pci.api.device.Memory;

/** The physical function's side of a card: switch, link, and the engine that works for all virtual functions. */
public final class Adapter implements AutoCloseable {
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
    private long raised;
    private volatile boolean linkUp = true;

    /**
     * Powers on a card.
     *
     * @param name for threads and the log
     * @param queuePairs of each virtual function, 1 to 16
     * @param addresses the MAC address of virtual function 0, its first byte in the high one of 48 bits; the others follow
     */
    public Adapter(String name, int queuePairs, long addresses) {
        this.name = name;
        this.queuePairs = queuePairs;
        this.addresses = addresses;
        engine = new Engine("xl710 " + name, this::poll, this::needsPolling);
    }

    /**
     * Powers on a virtual function.
     *
     * @param number from 0
     * @param registers memory of its BAR0
     * @param busMaster whether it may do DMA; asked often, by the engine's thread
     * @param fire fires an MSI-X vector
     */
    public VirtualFunction function(int number, Memory registers, BooleanSupplier busMaster, IntConsumer fire) {
        VirtualFunction function = new VirtualFunction(this, number, registers, busMaster, fire);
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
                    function.reportLink();
                }
            }
        });
        engine.ring();
    }

    /** Resets a virtual function, if there is one, as the physical function does; its driver is warned. */
    public void resetFunction(int number) {
        engine.call(() -> {
            VirtualFunction function = functions[number];
            if (function != null) {
                function.resetByPhysicalFunction();
            }
        });
        engine.ring();
    }

    /** Powers off. */
    @Override
    public void close() {
        engine.close();
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

    private boolean poll() {
        boolean worked = false;
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
