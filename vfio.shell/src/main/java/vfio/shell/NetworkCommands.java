package vfio.shell;

import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.BiFunction;
import java.util.function.Function;
import org.apache.felix.service.command.Descriptor;
import org.apache.felix.service.command.annotations.GogoCommand;
import org.jspecify.annotations.Nullable;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Reference;
import org.osgi.service.component.annotations.ReferenceCardinality;
import org.osgi.service.component.annotations.ReferencePolicy;
import org.osgi.service.component.annotations.ReferencePolicyOption;
import vfio.pci.api.manage.NetworkCards;
import vfio.pci.api.manage.NetworkCards.Port;
import vfio.pci.api.pci.PciAddress;

/** Commands that see and do what the physical function of a simulated network card does. */
@Component(service = NetworkCommands.class, immediate = true)
@GogoCommand(
        scope = "sim",
        function = {"ports", "link", "reset", "written"})
public final class NetworkCommands {
    private static final Map<String, Boolean> LINK = Map.of("up", true, "down", false);
    private static final Map<String, Boolean> LOG = Map.of("on", true, "off", false);

    @Reference(
            cardinality = ReferenceCardinality.OPTIONAL,
            policy = ReferencePolicy.DYNAMIC,
            policyOption = ReferencePolicyOption.GREEDY)
    volatile @Nullable NetworkCards cards;

    /** {@code sim:ports}. */
    @Descriptor(
            "lists what is plugged into the switches of the simulated network cards, with drivers, addresses, queues and"
                    + " counters")
    public Listing<PortRow> ports() {
        return onCards(present ->
                new Listing<>(present.ports().stream().map(PortRow::of).toList(), Absence.NO_PORTS));
    }

    /** {@code sim:link DEVICE up|down}. */
    @Descriptor("takes the link of a simulated network card down, or up again")
    public String link(
            @Descriptor("address of the physical function, or the end of it: 3:0.0") String device,
            @Descriptor("up or down") String state) {
        boolean up = chosen(LINK, "state of a link", state);
        return onCards(present -> {
            PciAddress address = DeviceName.resolve(
                    device,
                    present.ports().stream()
                            .map(Port::physicalFunction)
                            .distinct()
                            .toList(),
                    "is not a simulated network card; sim:ports lists them");
            present.setLink(address, up);
            return "the link of " + address + " is " + (up ? "up" : "down");
        });
    }

    /** {@code sim:reset DEVICE}. */
    @Descriptor("resets a virtual function as its physical function may do; its driver is warned and has to recover")
    public String reset(@Descriptor("address of the virtual function, or the end of it: 3:2.0") String device) {
        return on(device, (present, address) -> {
            present.reset(address);
            return address + " is being reset by its physical function";
        });
    }

    /** {@code sim:written DEVICE}. */
    @Descriptor("shows which pages a virtual function has written since it was shown last, as IOVA and size")
    public String written(@Descriptor("address of the virtual function, or the end of it: 3:2.0") String device) {
        return on(device, (present, address) -> PageRanges.text(present.takeWrittenPages(address)));
    }

    /** {@code sim:written DEVICE on|off}. */
    @Descriptor("begins or ends to write down which pages a virtual function writes")
    public String written(
            @Descriptor("address of the virtual function, or the end of it: 3:2.0") String device,
            @Descriptor("on or off") String state) {
        boolean log = chosen(LOG, "state of the log", state);
        return on(device, (present, address) -> {
            present.logWrites(address, log);
            return log
                    ? "pages that " + address + " writes are written down; sim:written " + address + " shows them"
                    : "pages that " + address + " writes are not written down";
        });
    }

    /** Called by Gogo when the arguments fit no other method. */
    @SuppressWarnings({"DoNotCallSuggester", "MemberName"})
    public Object _main(String[] words) {
        throw CommandTable.named("sim:" + words[0]).misused();
    }

    private <T> T onCards(Function<NetworkCards, T> request) {
        return Request.with(cards, "simulated network card", "vfio.sim", request);
    }

    private <T> T on(String device, BiFunction<NetworkCards, PciAddress, T> request) {
        return onCards(present -> request.apply(
                present,
                DeviceName.resolve(
                        device,
                        present.ports().stream()
                                .map(Port::virtualFunction)
                                .flatMap(Optional::stream)
                                .toList(),
                        "is not a virtual function of a simulated network card; sim:ports lists them")));
    }

    private static boolean chosen(Map<String, Boolean> choices, String what, String text) {
        Boolean choice = choices.get(text);
        if (choice == null) {
            List<String> words = choices.keySet().stream().sorted().toList();
            throw new CommandException("'" + text + "' is no " + what + ": it is " + String.join(" or ", words));
        }
        return choice;
    }
}
