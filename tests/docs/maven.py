"""Maven without its registry: with the plugins that Debian packages."""

import pathlib

PACKAGED = pathlib.Path("/usr/share/maven-repo")


def options(home):
    """The options of Java with which Maven has its settings and packages in this folder."""
    return f"-Duser.home={home}"


def lay(home):
    """Links to what is packaged, beside which it installs."""
    if not PACKAGED.is_dir():
        raise RuntimeError("a page runs Maven, whose plugins are not here (package libmaven-jar-plugin-java and others)")
    repository = home / ".m2" / "repository"
    for file in PACKAGED.rglob("*"):
        if file.is_file():
            link = repository / file.relative_to(PACKAGED)
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(file.resolve())
    (home / ".m2" / "settings.xml").write_text("<settings><offline>true</offline></settings>")
