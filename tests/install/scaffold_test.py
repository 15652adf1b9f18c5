"""A connector begun with the scaffold builds and keeps the contract: outside the source tree with what
`cmake --install` puts down, and inside it without a change to any existing file. A second folder of
connectors is loaded, and what is wrong in it is refused with its reason.

    scaffold_test.py SOURCE BUILD GENERATOR COMPILER SANITIZERS
"""
import hashlib
import os
import pathlib
import shutil
import stat
import subprocess
import sys
import tempfile
import unittest

SOURCE, BUILD = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
GENERATOR, COMPILER, SANITIZERS = sys.argv[3:6]
LEFT_OUT = {"build", "var", ".git", "node_modules"}


def run(*command, expect=0, **environment):
    done = subprocess.run([str(part) for part in command], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True,
                          env={**os.environ, "BACKCHANNEL_LOG_LEVEL": "error", **environment})
    if done.returncode != expect:
        raise AssertionError(f"{command} ended with {done.returncode}:\n{done.stdout}")
    return done.stdout


def configure(source, build, *options):
    flags = f"-fsanitize={SANITIZERS}" if SANITIZERS else ""
    run("cmake", "-G", GENERATOR, "-S", source, "-B", build, f"-DCMAKE_CXX_COMPILER={COMPILER}",
        "-DCMAKE_BUILD_TYPE=Debug", f"-DCMAKE_CXX_FLAGS={flags}", *options)


def digests(folder):
    """Path -> digest of every file of a source tree."""
    found = {}
    for root, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name not in LEFT_OUT]
        for name in files:
            path = pathlib.Path(root, name)
            found[str(path.relative_to(folder))] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


class Scaffold(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.place = pathlib.Path(tempfile.mkdtemp(prefix="backchannel-scaffold."))
        cls.prefix = cls.place / "prefix"
        run("cmake", "--install", BUILD, "--prefix", cls.prefix)
        cls.program = cls.prefix / "bin/backchannel"
        cls.begin = cls.prefix / "bin/backchannel-new-connector"
        cls.outside = cls.place / "pigeon"
        run(cls.begin, "pigeon", "--out", cls.outside)
        configure(cls.outside, cls.outside / "build", f"-DCMAKE_PREFIX_PATH={cls.prefix}")
        run("cmake", "--build", cls.outside / "build")
        cls.object = cls.outside / "build/pigeon.so"

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.place)

    def connectors(self, *folders):
        return run(self.program, "connectors", "list",
                   BACKCHANNEL_CONNECTOR_DIR=":".join(str(folder) for folder in folders))

    def second_folder(self):
        folder = pathlib.Path(tempfile.mkdtemp(dir=self.place))
        shutil.copy(self.object, folder)
        return folder

    def test_the_installed_program_finds_its_connectors(self):
        self.assertIn(str(self.prefix / "lib/backchannel/connectors/telegram.so"),
                      run(self.program, "connectors", "list"))

    def test_outside_the_tree_it_builds_and_keeps_the_contract(self):
        said = run("ctest", "--test-dir", self.outside / "build", "--output-on-failure")
        self.assertIn("pigeon_contract", said)
        self.assertIn("100% tests passed", said)

    def test_the_suite_that_was_installed_notices_a_flaw(self):
        fixtures = self.place / "flawed"
        shutil.copytree(self.outside / "fixtures", fixtures)
        text = (fixtures / "01_text.expect").read_text()
        (fixtures / "01_text.expect").write_text(text.replace("text: Hello", "text: Goodbye"))
        said = run(self.program, "connectors", "check", self.object, "--fixtures", fixtures, expect=1)
        self.assertIn("check 10: 01_text", said)
        # What the connector says can be written beside the fixtures, to be reviewed.
        said = run(self.program, "connectors", "check", self.object, "--fixtures", fixtures, "--write")
        self.assertIn("wrote " + str(fixtures / "01_text.expect"), said)
        self.assertEqual((fixtures / "01_text.expect").read_text(), text)

    def test_nothing_that_exists_is_overwritten(self):
        before = digests(self.outside)
        said = run(self.begin, "pigeon", "--out", self.outside, expect=1)
        self.assertIn("exists already; nothing was written", said)
        self.assertEqual(digests(self.outside), before)
        self.assertIn("is no type", run(self.begin, "Pigeon", "--out", self.place / "p", expect=1))

    def test_a_second_folder_is_loaded_beside_the_first(self):
        said = self.connectors(self.prefix / "lib/backchannel/connectors", self.second_folder())
        self.assertIn("pigeon ", said)
        self.assertIn("telegram ", said)
        self.assertNotIn("refused", said)

    def test_a_type_that_is_taken_is_refused(self):
        first, second = self.second_folder(), self.second_folder()
        said = self.connectors(first, second)
        self.assertIn(f"refused      {second}/pigeon.so: the type is already taken by {first}/pigeon.so",
                      said)

    def test_another_interface_is_refused_with_both_versions(self):
        folder = self.second_folder()
        shutil.copy(BUILD / "tests/samples/wrong_major/sample.so", folder)
        said = self.connectors(folder)
        self.assertIn(f"refused      {folder}/sample.so: was built for connector ABI 2.", said)
        self.assertIn("this gateway speaks 1.", said)

    def test_what_everybody_may_write_is_refused(self):
        folder = self.second_folder()
        (folder / "pigeon.so").chmod(0o666)
        self.assertIn(f"refused      {folder}/pigeon.so: is writable by everybody; remove that right",
                      self.connectors(folder))
        (folder / "pigeon.so").chmod(0o644)
        folder.chmod(0o777)
        said = run(self.program, "connectors", "list", expect=2,
                   BACKCHANNEL_CONNECTOR_DIR=str(folder))
        self.assertIn("is writable by everybody; remove that right", said)
        folder.chmod(stat.S_IRWXU)

    def test_inside_the_tree_it_builds_without_a_change_to_any_file(self):
        tree = self.place / "tree"
        shutil.copytree(SOURCE, tree, ignore=lambda folder, names: LEFT_OUT & set(names))
        before = digests(tree)
        run(tree / "scripts/new-connector", "pigeon", "--title", "Carrier pigeon")
        after = digests(tree)
        self.assertEqual({path: after.get(path) for path in before}, before)
        added = sorted(set(after) - set(before))
        self.assertIn("connectors/pigeon/pigeon.cc", added)
        self.assertIn("schemas/connectors/pigeon.schema.json", added)
        self.assertIn("tests/connectors/pigeon_test.cc", added)
        configure(tree, tree / "build", "-DBACKCHANNEL_TESTS=OFF")
        run("cmake", "--build", tree / "build", "--target", "connector_pigeon_so")
        said = run(self.program, "connectors", "check", tree / "build/connectors/pigeon.so",
                   "--fixtures", tree / "tests/fixtures/pigeon")
        self.assertIn("keeps the contract", said)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
