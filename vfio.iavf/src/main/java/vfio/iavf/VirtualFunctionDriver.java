package vfio.iavf;

import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import vfio.linux.MappedMemory;
import vfio.user.client.VfioUserClient;

/**
 * The driver of one virtual function.
 *
 * <p>{@link #attach} takes the function, {@link #probe} gets to know its PF, {@link #open} sets queues up and waits for the
 * link, {@link #stop} takes them down; the function may be opened again. After a reset, from whomever, {@link #recover} brings
 * everything back to what it was; queues are new then.
 *
 * <p>For one thread at a time, but for its queues and registers, which other threads may use meanwhile.
 */
public final class VirtualFunctionDriver implements AutoCloseable {
    private final DriverOptions options;
    private final GuestMemory memory;
    private final MovableRegisters registers;
    private final VirtualFunctionReset reset;
    private final Mailbox mailbox;
    private final EventState events;
    private final long queueMemory;

    private VfioUserClient client;
    private @Nullable VectorTable vectors;
    private @Nullable Resources resources;
    private @Nullable AddressFilter filter;
    private @Nullable QueueSettings settings;
    private List<TransmitQueue> transmitQueues = List.of();
    private List<ReceiveQueue> receiveQueues = List.of();
    private boolean closed;

    private VirtualFunctionDriver(
            VfioUserClient client,
            DriverOptions options,
            GuestMemory memory,
            RegisterPath.RegisterConnection registers) {
        this.client = client;
        this.options = options;
        this.memory = memory;
        this.registers = new MovableRegisters(registers);
        reset = new VirtualFunctionReset(() -> this.client, this.registers);
        mailbox = new Mailbox(this.registers, memory, options.patience());
        events = new EventState(mailbox);
        queueMemory = memory.mark();
    }

    /**
     * Takes a function: gives it memory and the bus.
     *
     * @param client stays the caller's, who closes it after the driver
     * @return the driver, owned by the caller
     */
    public static VirtualFunctionDriver attach(VfioUserClient client, DriverOptions options) {
        GuestMemory memory = GuestMemory.allocate("iavf", options.iova(), options.memorySize());
        RegisterPath.RegisterConnection registers = null;
        boolean attached = false;
        try {
            memory.map(client);
            registers = options.registers().connect(client);
            VirtualFunctionDriver driver = new VirtualFunctionDriver(client, options, memory, registers);
            driver.reset.enableBusMaster();
            attached = true;
            return driver;
        } finally {
            if (!attached) {
                if (registers != null) {
                    registers.close();
                }
                memory.close();
            }
        }
    }

    /** Finds the function ready, agrees on a version with the PF and asks what the function has. */
    public Resources probe() {
        reset.awaitActive(options.patience());
        mailbox.start();
        ByteBuffer version = mailbox.demand(Virtchnl.VERSION, Requests.version(), 8);
        if (version.getInt(0) != Virtchnl.VERSION_MAJOR || version.getInt(4) != Virtchnl.VERSION_MINOR) {
            throw new DeviceViolation("the PF speaks virtchnl " + version.getInt(0) + "." + version.getInt(4));
        }
        Resources found = askResources();
        resources = found;
        filter = new AddressFilter(mailbox, found);
        events.start(found.is(Virtchnl.VF_CAP_ADV_LINK_SPEED));
        connectVectors(found);
        return found;
    }

    /**
     * Sets queues up and waits for the link.
     *
     * @throws IllegalStateException if the function is open or was not probed
     */
    public void open(QueueSettings wanted) {
        Resources found = resources();
        if (settings != null) {
            throw new IllegalStateException("the function is open");
        }
        if (wanted.pairs() > found.queuePairs() || wanted.pairs() >= found.vectors()) {
            throw new IllegalArgumentException(wanted.pairs() + " queue pairs; the function has " + found.queuePairs());
        }
        memory.release(queueMemory);
        allocateQueues(wanted);
        settings = wanted;
        receiveQueues.forEach(ReceiveQueue::start);
        int vsi = found.vsiId();
        mailbox.demand(Virtchnl.CONFIG_IRQ_MAP, Requests.interruptMap(vsi, wanted.pairs()));
        spreadOver(wanted.pairs());
        filter().sendAll();
        mailbox.demand(Virtchnl.CONFIG_VSI_QUEUES, Requests.queues(vsi, transmitQueues, receiveQueues, wanted));
        filter().sendPromiscuousIfWanted();
        events.forgetLink();
        mailbox.demand(Virtchnl.ENABLE_QUEUES, Requests.queueSelect(vsi, allOf(wanted)));
        for (int pair = 0; pair < wanted.pairs(); pair++) {
            if (options.interrupts()) {
                vector(pair).enable();
            } else {
                vector(pair).disable();
            }
        }
        events.awaitLink(true, options.patience());
    }

    /** Takes the queues down. The device does not touch their memory any more when this returns. */
    public void stop() {
        QueueSettings open = opened();
        int vsi = resources().vsiId();
        filter().withdrawAll();
        mailbox.demand(Virtchnl.DISABLE_QUEUES, Requests.queueSelect(vsi, allOf(open)));
        for (int pair = 0; pair < open.pairs(); pair++) {
            vector(pair).disable();
        }
        forgetQueues();
    }

    /** Has the PF reset the function, and recovers. */
    public void reset() {
        mailbox.post(Virtchnl.RESET_VF);
        recover();
    }

    /** Whether the PF has announced a reset, or the function has been reset and waits for {@link #recover}. */
    public boolean resetDetected() {
        if (mailbox.alive()) {
            events.service();
        }
        return events.resetImpending() || !mailbox.alive();
    }

    /**
     * Waits for the end of a reset that has begun, and brings the function back: addresses, modes, and queues if it was open.
     * Reset by {@link VfioUserClient#reset} counts as well.
     */
    public void recover() {
        QueueSettings before = settings;
        Resources expected = resources();
        forgetQueues();
        reset.awaitEnd(mailbox);
        reset.enableBusMaster();
        mailbox.start();
        events.start(expected.is(Virtchnl.VF_CAP_ADV_LINK_SPEED));
        Resources found = askResources();
        if (!found.equals(expected)) {
            throw new DeviceViolation("after a reset the function has " + found + " instead of " + expected);
        }
        connectVectors(found);
        if (before != null) {
            open(before);
        }
    }

    /**
     * The function is to be had elsewhere from now on, in the state in which it was here, and with other memory of the same content. Nobody
     * uses the driver meanwhile, nor the function at either place. Once it runs there, the driver goes on as if nothing had been.
     *
     * @param next has mapped the memory where it was; stays the caller's, who closes it after the driver. The one before may be
     *     closed now
     * @param newMemory owned by the driver from now on
     */
    public void move(VfioUserClient next, MappedMemory newMemory) {
        memory.replace(newMemory);
        if (vectors != null) {
            vectors.move(next);
        }
        client = next;
        registers.move(options.registers().connect(next));
    }

    /** What the PF gives the function. */
    public Resources resources() {
        Resources found = resources;
        if (found == null) {
            throw new IllegalStateException("the function was not probed");
        }
        return found;
    }

    /** The address of the function. */
    public MacAddress mac() {
        return filter().primary();
    }

    /** A TX queue; not the same after the function was stopped or reset. */
    public TransmitQueue transmitQueue(int queue) {
        return transmitQueues.get(queue);
    }

    /** An RX queue; not the same after the function was stopped or reset. */
    public ReceiveQueue receiveQueue(int queue) {
        return receiveQueues.get(queue);
    }

    /** The vector of a queue pair. */
    public InterruptVector vector(int pair) {
        VectorTable table = vectors;
        if (table == null) {
            throw new IllegalStateException("the function was not probed");
        }
        return table.ofPair(pair);
    }

    /** The registers, past the driver. */
    public RegisterSpace registers() {
        return registers;
    }

    /** Whether a register is reached through a mapping at the moment. */
    public boolean isMapped(int offset) {
        return registers.isMapped(offset);
    }

    /** The memory of the driver, in which a test may take a part after {@link #open}; {@link #open} takes it back. */
    public GuestMemory memory() {
        return memory;
    }

    /** What the PF said last about the link. */
    public LinkState link() {
        events.service();
        return events.link();
    }

    /** Waits for the link to go up, or down. */
    public LinkState awaitLink(boolean up, Duration timeout) {
        return events.awaitLink(up, timeout);
    }

    /**
     * Errors that the device has reported since the last time, some of {@link VfRegister#LEN_ERRORS}; 0 as long as the driver
     * has done nothing wrong.
     */
    public int takeErrors() {
        return mailbox.takeErrors();
    }

    /** Has frames for an address delivered. */
    public void addAddress(MacAddress address) {
        filter().add(address);
    }

    /** Has them not delivered any more. */
    public void deleteAddress(MacAddress address) {
        filter().delete(address);
    }

    /** The addresses that have been added, that of the function among them. */
    public List<MacAddress> addresses() {
        return filter().addresses();
    }

    /** Has frames delivered that are for nobody in particular here. */
    public void promiscuous(boolean unicast, boolean multicast) {
        filter().promiscuous(unicast, multicast);
    }

    /** Sets the key of the RSS hash. */
    public void rssKey(byte[] key) {
        mailbox.demand(Virtchnl.CONFIG_RSS_KEY, Requests.rss(resources().vsiId(), key));
    }

    /** Sets which queue a hash belongs to. */
    public void rssLookupTable(byte[] table) {
        mailbox.demand(Virtchnl.CONFIG_RSS_LUT, Requests.rss(resources().vsiId(), table));
    }

    /** Asks for the counters. */
    public Statistics statistics() {
        return Statistics.of(mailbox.demand(
                Virtchnl.GET_STATS, Requests.statistics(resources().vsiId()), Statistics.SIZE));
    }

    /**
     * Sends any request, right or wrong, and returns its reply.
     *
     * @param payload from position to limit, little-endian
     */
    public Message request(int opcode, ByteBuffer payload) {
        return mailbox.request(opcode, payload);
    }

    /** Stops the function if it is open, shuts the mailbox down and gives the memory back. Idempotent. */
    @Override
    public void close() {
        if (closed) {
            return;
        }
        closed = true;
        try {
            if (resources != null && mailbox.alive()) {
                if (settings != null) {
                    stop();
                }
                mailbox.shutdown();
            }
        } finally {
            release();
        }
    }

    /** Lets go of everything without a word to the device, like a machine that is switched off. Idempotent. */
    public void abandon() {
        if (!closed) {
            closed = true;
            release();
        }
    }

    private void release() {
        if (vectors != null) {
            vectors.close();
        }
        registers.close();
        memory.close();
    }

    private Resources askResources() {
        return Resources.of(mailbox.demand(Virtchnl.GET_VF_RESOURCES, Requests.resources(), Resources.REPLY_SIZE));
    }

    private void connectVectors(Resources found) {
        if (vectors != null) {
            vectors.close();
        }
        VectorTable table = VectorTable.connect(client, registers, found.vectors(), options.interrupts());
        vectors = table;
        if (options.interrupts()) {
            mailbox.interruptWith(table.misc());
        }
    }

    private void allocateQueues(QueueSettings wanted) {
        List<TransmitQueue> transmit = new ArrayList<>();
        List<ReceiveQueue> receive = new ArrayList<>();
        for (int queue = 0; queue < wanted.pairs(); queue++) {
            transmit.add(new TransmitQueue(registers, memory, queue, wanted));
            receive.add(new ReceiveQueue(registers, memory, queue, wanted, options));
        }
        transmitQueues = List.copyOf(transmit);
        receiveQueues = List.copyOf(receive);
    }

    private void forgetQueues() {
        settings = null;
        transmitQueues = List.of();
        receiveQueues = List.of();
    }

    private void spreadOver(int queues) {
        byte[] key = new byte[resources().rssKeySize()];
        for (int index = 0; index < key.length; index++) {
            key[index] = (byte) (index * 37 + 0x6d);
        }
        rssKey(key);
        byte[] table = new byte[resources().rssLutSize()];
        for (int index = 0; index < table.length; index++) {
            table[index] = (byte) (index % queues);
        }
        rssLookupTable(table);
    }

    private AddressFilter filter() {
        AddressFilter known = filter;
        if (known == null) {
            throw new IllegalStateException("the function was not probed");
        }
        return known;
    }

    private QueueSettings opened() {
        QueueSettings open = settings;
        if (open == null) {
            throw new IllegalStateException("the function is not open");
        }
        return open;
    }

    private static int allOf(QueueSettings settings) {
        return (1 << settings.pairs()) - 1;
    }
}
