package vfio.sim.xl710;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.nio.ByteBuffer;
import java.util.concurrent.atomic.LongAdder;
import java.util.function.BooleanSupplier;
import vfio.pci.api.device.DmaSpace;
import vfio.pci.api.device.HardwareState;
import vfio.pci.api.device.Memory;
import vfio.sim.xl710.ResetProgress.Phase;

/**
 * A virtual function behind its registers.
 *
 * <p>Registers are read and written by any thread, through {@link #read} and {@link #write} where the table says that an
 * access does something, else in the register memory. All the rest is done by the adapter's engine.
 */
public final class VirtualFunction implements FrameSink, SwitchPort, VirtchnlRequests.Owner, Receiver.Owner {
    private static final Logger LOGGER = System.getLogger(VirtualFunction.class.getPackageName());

    /** How many packets of one queue are sent before it is the next one's turn. */
    private static final int SHARE = 64;

    private final Adapter adapter;
    private final int number;
    private final Memory registers;
    private final BooleanSupplier busMaster;
    private final InterruptControl interrupts;
    private final GuestAccess guest = new GuestAccess();
    private final AdminQueue adminQueue;
    private final Statistics statistics = new Statistics();
    private final Vsi vsi;
    /** Kept, since a method reference is an object, and the admin queue is looked at all the time. */
    private final AdminQueue.Receiver requests;

    private final WrittenPages written = new WrittenPages();
    private volatile boolean mapped;
    private final LongAdder maliciousEvents = new LongAdder();
    private final Receiver receiver;
    private final ResetProgress progress;
    private final FunctionState state;
    private final Runnable linkReport = this::reportLink;
    private final Runnable resetWarning = this::warnOfReset;
    private boolean resetRequested;
    private boolean held;

    /**
     * A function that is powered on.
     *
     * @param number from 0
     * @param registers memory of BAR0
     * @param busMaster whether it may do DMA; asked often
     * @param vectors its MSI-X vectors
     */
    VirtualFunction(Adapter adapter, int number, Memory registers, BooleanSupplier busMaster, Vectors vectors) {
        this.adapter = adapter;
        this.number = number;
        this.registers = registers;
        this.busMaster = busMaster;
        interrupts = new InterruptControl(registers, vectors);
        adminQueue = new AdminQueue(registers, guest, () -> interrupts.cause(InterruptControl.ICR01_ADMINQ));
        progress = new ResetProgress(registers);
        vsi = new Vsi(
                number,
                adapter.queuePairs(),
                new AddressFilters(adapter.forwarding(), number, adapter.address(number)));
        receiver = new Receiver(registers, vsi, guest, interrupts, statistics, adapter.receivePath(), this);
        requests = new VirtchnlRequests(vsi, statistics, this)::receive;
        state = new FunctionState(
                adapter.engine(), vsi, statistics, adminQueue, interrupts, progress, linkReport, this::flush);
        vsi.reset();
    }

    /** Reads a register whose reading does something. */
    public int read(VfRegister register, int index) {
        return register == VfRegister.VFINT_ICR01 ? interrupts.takeCauses() : registers.getInt(register.at(index));
    }

    /** Writes a register whose writing does something. */
    public void write(VfRegister register, int index, int value) {
        switch (register) {
            case VFINT_DYN_CTL01 -> interrupts.writeControl(0, value);
            case VFINT_DYN_CTLN1 -> interrupts.writeControl(index + 1, value);
            case VFINT_ICR0_ENA1 -> interrupts.writeEnables(value);
            default -> registers.putInt(register.at(index), value);
        }
        // Whoever writes this may also have written a doorbell in mapped memory.
        adapter.engine().ring();
    }

    /** A doorbell has been written. */
    public void ring() {
        adapter.engine().ring();
    }

    /** From now on its registers may be written without a sign. */
    public void registersMapped() {
        mapped = true;
        adapter.engine().ring();
    }

    /** Somebody has opened the function: this is the memory its DMA reaches. */
    public void attach(DmaSpace memory) {
        adapter.engine().call(() -> guest.attach(memory));
    }

    /** Nobody has the function open any more: on return it does no DMA. Idempotent. */
    public void detach() {
        mapped = false;
        adapter.engine().call(() -> {
            guest.detach();
            vsi.abandon();
        });
    }

    /** The function stops until {@link #reset}; on return it does no DMA. */
    public void hold() {
        adapter.engine().call(() -> held = true);
    }

    /** A function level reset, after its registers have got their reset values. */
    public void reset() {
        adapter.engine().call(() -> {
            clear();
            progress.forget();
            state.forget();
            held = false;
        });
    }

    /** The physical function resets it, after a warning to its driver. */
    public void resetByHost() {
        adapter.engine().call(() -> state.unlessFrozen(resetWarning));
        ring();
    }

    /** Takes the function out of the switch for good. */
    public void close() {
        adapter.engine().call(() -> {
            guest.detach();
            held = true;
            vsi.filters.clear();
            adapter.forwarding().unplug(number);
            adapter.removed(this);
        });
    }

    /** What its registers do not tell. */
    public HardwareState state() {
        return state;
    }

    /** Begins or ends to write down which pages of the guest the function writes. Off at first. */
    public void logWrites(boolean log) {
        adapter.engine().call(() -> {
            written.take();
            guest.log(log ? written : null);
        });
    }

    /** The numbers of the pages of 4 KiB written since the last time, ascending; of all that the engine has done before. */
    public long[] takeWrittenPages() {
        return written.take();
    }

    int number() {
        return number;
    }

    InterruptControl interrupts() {
        return interrupts;
    }

    Vsi vsi() {
        return vsi;
    }

    Statistics statistics() {
        return statistics;
    }

    /** How often its driver asked for what no correct driver asks for. */
    long maliciousEvents() {
        return maliciousEvents.sum();
    }

    /** Whether it has to be looked at without being told to. */
    boolean needsPolling() {
        if (stands()) {
            return false;
        }
        return progress.phase() != Phase.NONE || adminQueue.waiting() > 0 || (mapped && vsi.isTransmitting());
    }

    /** Does what there is to do, of every queue no more than its share. Returns whether there was anything. */
    boolean poll() {
        if (stands()) {
            return false;
        }
        if (progress.phase() == Phase.RESETTING) {
            return endReset();
        }
        if (progress.isOver()) {
            beginReset();
            return true;
        }
        if (!busMaster.getAsBoolean()) {
            return false;
        }
        boolean worked = pollAdminQueue();
        worked |= receiver.poll();
        for (int queue = 0; queue < vsi.queuePairs(); queue++) {
            worked |= pollQueue(queue);
        }
        return worked;
    }

    /** Raises the vectors that became due. What they report is written back before. */
    void raise() {
        if (doesDma()) {
            receiver.poll();
        }
        interrupts.raise();
    }

    /** The link has gone up or down. */
    void linkChanged() {
        state.unlessFrozen(linkReport);
    }

    /** Whether it does nothing by itself. */
    private boolean stands() {
        return held || state.isFrozen() || !guest.isAttached();
    }

    private boolean doesDma() {
        return !stands() && progress.phase() != Phase.RESETTING && busMaster.getAsBoolean();
    }

    private void flush() {
        if (doesDma()) {
            receiver.flush();
        }
    }

    private void warnOfReset() {
        if (!held && progress.phase() == Phase.NONE) {
            event(VirtchnlEvent.resetImpending());
            progress.enter(Phase.WARNED);
        }
    }

    /** Tells the driver of the link, if it has introduced itself. */
    @Override
    public void reportLink() {
        if (!vsi.isActive()) {
            return;
        }
        boolean megabits = (vsi.capabilities() & Virtchnl.VF_CAP_ADV_LINK_SPEED) != 0;
        event(VirtchnlEvent.linkChange(adapter.isLinkUp(), megabits ? Adapter.LINK_MEGABITS : Adapter.LINK_SPEED));
    }

    @Override
    public void reply(int opcode, int status, byte[] payload) {
        adminQueue.send(opcode, status, payload);
    }

    @Override
    public void resetRequested() {
        resetRequested = true;
    }

    @Override
    public void transmitTailCleared(int queue) {
        registers.putInt(VfRegister.QTX_TAIL1.at(queue), 0);
    }

    /** A frame that one of its queues sends. */
    @Override
    public void frame(ByteBuffer bytes, int offset, int length) {
        if (!adapter.isLinkUp()) {
            statistics.add(Statistics.Counter.TX_DISCARDS, 1);
            return;
        }
        Frame frame = adapter.frame()
                .at(bytes, offset, length, true, adapter.transmitPath().offload());
        statistics.sent(CastType.of(frame.destination()), length);
        adapter.forwarding().forward(number, frame);
    }

    /** A frame for it. */
    @Override
    public void receive(Frame frame, CastType type) {
        if (doesDma()) {
            receiver.receive(frame, type);
        }
    }

    private boolean pollAdminQueue() {
        try {
            boolean worked = adminQueue.poll(requests);
            if (resetRequested) {
                beginReset();
            }
            return worked;
        } catch (MaliciousDriverException e) {
            malicious("it is reset", e);
            beginReset();
            return true;
        }
    }

    private boolean pollQueue(int number) {
        TransmitQueue queue = vsi.transmitQueues[number];
        if (!queue.enabled) {
            return false;
        }
        int tail = registers.getInt(VfRegister.QTX_TAIL1.at(number)) & TransmitQueue.TAIL_MASK;
        if (tail == queue.head || tail == queue.incompleteTail) {
            return false;
        }
        try {
            boolean sent = adapter.transmitPath().send(guest, queue, tail, SHARE, this);
            if (sent) {
                due(queue.vector);
            }
            return sent;
        } catch (MaliciousDriverException e) {
            queue.enabled = false;
            statistics.add(Statistics.Counter.TX_ERRORS, 1);
            malicious("transmit queue " + number + " is stopped", e);
            return true;
        }
    }

    @Override
    public void due(int vector) {
        interrupts.eventLater(vector);
        adapter.raiseLater(number);
    }

    @Override
    public void malicious(String consequence, MaliciousDriverException event) {
        LOGGER.log(
                Level.WARNING,
                "{0} VF {1}: malicious driver event, {2}: {3}",
                adapter.name(),
                number,
                consequence,
                event.getMessage());
        adminQueue.reportError();
        maliciousEvents.increment();
    }

    private void event(byte[] event) {
        adminQueue.send(Virtchnl.OP_EVENT, Virtchnl.STATUS_SUCCESS, event);
    }

    private void beginReset() {
        progress.enter(Phase.RESETTING);
        clear();
    }

    private boolean endReset() {
        if (!progress.isOver()) {
            return false;
        }
        progress.enter(Phase.NONE);
        return true;
    }

    private void clear() {
        resetRequested = false;
        vsi.reset();
        adminQueue.reset();
        interrupts.reset();
        for (int queue = 0; queue < Vsi.QUEUES_MAXIMUM; queue++) {
            registers.putInt(VfRegister.QTX_TAIL1.at(queue), 0);
            registers.putInt(VfRegister.QRX_TAIL1.at(queue), 0);
        }
    }
}
