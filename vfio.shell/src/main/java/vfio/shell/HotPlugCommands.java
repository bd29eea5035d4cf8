package vfio.shell;

import java.util.List;
import java.util.function.BiFunction;
import java.util.function.Function;
import org.apache.felix.service.command.Descriptor;
import org.apache.felix.service.command.Parameter;
import org.apache.felix.service.command.annotations.GogoCommand;
import org.jspecify.annotations.Nullable;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Reference;
import org.osgi.service.component.annotations.ReferenceCardinality;
import org.osgi.service.component.annotations.ReferencePolicy;
import org.osgi.service.component.annotations.ReferencePolicyOption;
import vfio.pci.api.manage.HotPlug;
import vfio.pci.api.pci.PciAddress;

/** Commands that pull functions out of the simulated bus and put them back. */
@Component(service = HotPlugCommands.class, immediate = true)
@GogoCommand(
        scope = "sim",
        function = {"devices", "remove", "add", "vfs"})
public final class HotPlugCommands {
    @Reference(
            cardinality = ReferenceCardinality.OPTIONAL,
            policy = ReferencePolicy.DYNAMIC,
            policyOption = ReferencePolicyOption.GREEDY)
    volatile @Nullable HotPlug bus;

    /** {@code sim:devices}. */
    @Descriptor(
            "lists the places of the simulated bus: the functions that are present, and those that sim:add puts back")
    public Listing<PlaceRow> devices() {
        return onBus(present ->
                new Listing<>(present.places().stream().map(PlaceRow::of).toList(), Absence.NO_PLACES));
    }

    /** {@code sim:remove [--only] DEVICE}. */
    @Descriptor(
            "pulls a function out of the simulated bus: a virtual function alone, a physical function with its virtual"
                    + " functions. Who has one open is asked for it first")
    public String remove(
            @Descriptor("pulls out a physical function and leaves its virtual functions, which no real bus can do")
                    @Parameter(
                            names = {"--only"},
                            presentValue = "true",
                            absentValue = "false")
                    boolean only,
            @Descriptor("address, or the end of it: 3:2.0") String device) {
        return on(device, (present, address) -> {
            int others = 0;
            if (only) {
                present.removeAlone(address);
            } else {
                others = present.remove(address).size() - 1;
            }
            return report(address, others, "removed") + "; put " + (others == 0 ? "it" : "them")
                    + " back with: sim:add " + address;
        });
    }

    /** {@code sim:add DEVICE}. */
    @Descriptor("puts a function back that was removed, as it is after power-on: a virtual function alone, a physical"
            + " function with its virtual functions")
    public String add(@Descriptor("address, or the end of it: 3:2.0") String device) {
        return on(
                device,
                (present, address) -> report(address, present.add(address).size() - 1, "back"));
    }

    /** {@code sim:vfs DEVICE NUMBER}. */
    @Descriptor(
            "changes how many virtual functions a physical function has, until its card is configured anew. Those that"
                    + " it has before and after are not disturbed")
    public String vfs(
            @Descriptor("address of the physical function, or the end of it: 3:0.0") String device,
            @Descriptor("number of virtual functions, 0 to 32 for an XL710") String number) {
        int count = Arguments.count("virtual functions", number);
        return on(device, (present, address) -> {
            List<PciAddress> virtual = present.setVirtualFunctions(address, count);
            return switch (virtual.size()) {
                case 0 -> address + " has no virtual functions and can be given to a VMM itself";
                case 1 -> address + " has 1 virtual function, " + virtual.get(0);
                default ->
                    address + " has " + count + " virtual functions, " + virtual.get(0) + " to "
                            + virtual.get(count - 1);
            };
        });
    }

    /** Called by Gogo when the arguments fit no other method. */
    @SuppressWarnings({"DoNotCallSuggester", "MemberName"})
    public Object _main(String[] words) {
        throw CommandTable.named("sim:" + words[0]).misused();
    }

    private <T> T onBus(Function<HotPlug, T> request) {
        return Request.with(bus, "simulated bus", "vfio.sim", request);
    }

    private <T> T on(String device, BiFunction<HotPlug, PciAddress, T> request) {
        return onBus(present -> request.apply(
                present,
                DeviceName.resolve(
                        device,
                        present.places().stream()
                                .map(place -> place.function().address())
                                .toList(),
                        "has no place on the simulated bus; sim:devices lists what has")));
    }

    /** What became of a function, and of virtual functions with it. */
    private static String report(PciAddress address, int virtualFunctions, String state) {
        return switch (virtualFunctions) {
            case 0 -> address + " is " + state;
            case 1 -> address + " and 1 virtual function are " + state;
            default -> address + " and " + virtualFunctions + " virtual functions are " + state;
        };
    }
}
