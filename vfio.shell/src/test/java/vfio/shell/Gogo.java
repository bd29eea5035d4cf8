package vfio.shell;

import java.io.ByteArrayOutputStream;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import org.apache.felix.gogo.runtime.CommandProcessorImpl;
import org.apache.felix.gogo.runtime.threadio.ThreadIOImpl;
import org.apache.felix.service.command.CommandSession;
import org.apache.felix.service.command.Converter;
import vfio.shell.Fakes.FakeHostFunctions;
import vfio.shell.Fakes.FakeHotPlug;
import vfio.shell.Fakes.FakeManager;
import vfio.shell.Fakes.FakeNetworkCards;
import vfio.shell.Fakes.FakeServer;

/** A real Gogo runtime without a framework, with our commands on a fake bus. */
final class Gogo implements AutoCloseable {
    final ThreadIOImpl threadIo = new ThreadIOImpl();
    final CommandProcessorImpl processor = new CommandProcessorImpl(threadIo);
    final FakeHotPlug bus = new FakeHotPlug();
    final HotPlugCommands plug = new HotPlugCommands();
    final FakeNetworkCards cards = new FakeNetworkCards();
    final NetworkCommands network = new NetworkCommands();
    final FakeHostFunctions functions = new FakeHostFunctions();
    final HostCommands host = new HostCommands();
    final FakeManager manager = FakeManager.with(Fakes.PF, Fakes.VF, Fakes.IGD);

    final FakeMover mover = new FakeMover();

    Gogo() {
        threadIo.start();
        DeviceCommands devices = new DeviceCommands();
        devices.manager = manager;
        devices.server = FakeServer.with(Fakes.VF, Fakes.IGD);
        AccessCommands access = new AccessCommands();
        access.addManager(manager);
        for (String function : new String[] {"devices", "mediators", "qemu", "explain"}) {
            processor.addCommand("vfio", devices, function);
        }
        for (String function : new String[] {"open", "close", "regions", "read", "write", "irqs"}) {
            processor.addCommand("vfio", access, function);
        }
        plug.bus = bus;
        for (String function : new String[] {"devices", "remove", "add", "vfs"}) {
            processor.addCommand("sim", plug, function);
        }
        network.cards = cards;
        for (String function : new String[] {"ports", "link", "reset", "written"}) {
            processor.addCommand("sim", network, function);
        }
        MigrationCommands migration = new MigrationCommands();
        migration.manager = manager;
        migration.mover = mover;
        for (String function : new String[] {"migrate", "migration", "save", "restore"}) {
            processor.addCommand("vfio", migration, function);
        }
        host.host = functions;
        for (String function : new String[] {"bind", "unbind", "vfs", "rescan"}) {
            processor.addCommand("vfio", host, function);
        }
        processor.addConverter(new ResultConverter());
    }

    /** What a shell prints of a command and its result. */
    String run(String command) throws Exception {
        return run(command, Map.of());
    }

    /** What a shell prints that is a terminal, which is known by its completions. */
    String runOnTerminal(String command) throws Exception {
        return run(command, Map.of(".completions", Map.of()));
    }

    private String run(String command, Map<String, ?> variables) throws Exception {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        try (CommandSession session = processor.createSession(InputStream.nullInputStream(), out, out)) {
            session.put("SCOPE", "vfio:*");
            variables.forEach(session::put);
            Object result = session.execute(command);
            return out.toString(StandardCharsets.UTF_8)
                    + (result == null ? "" : session.format(result, Converter.INSPECT));
        }
    }

    @Override
    public void close() {
        processor.stop();
        threadIo.stop();
    }
}
