"""What people do with the pages, in a real browser."""

from tests.browser.conftest import Human, MakeHuman


def test_register_enroll_sign_out_and_in_by_code_and_by_backup_code(human: Human) -> None:
    human.register()
    human.enroll()
    assert len(set(human.codes)) == 10
    human.follow("I have kept them")
    human.at("/ui/account")
    assert human.name in human.heading()
    assert human.page.get_by_text("10 codes left").is_visible()

    human.sign_out()
    human.give_password()
    human.at("/ui/code")
    human.type_code(human.code("30 seconds"))
    human.at("/ui/account")

    human.sign_out()
    human.give_password()
    human.follow("Phone not at hand? Use a backup code")
    human.page.fill("#code", human.codes[0].lower().replace("-", " "))
    human.press("Sign in")
    human.at("/ui/account")
    assert human.page.get_by_text("9 codes left").is_visible()


def test_what_was_seen_before_signing_out_is_not_seen_by_going_back(human: Human) -> None:
    human.register()
    human.open("/ui/account")
    human.open("/ui/profile")
    human.sign_out()
    human.page.go_back()
    human.at("/ui/sign-in")
    assert human.name not in human.page.content()
    human.page.go_back()
    human.at("/ui/sign-in")


def test_a_step_up_comes_in_between_and_leads_back(make_human: MakeHuman) -> None:
    human = make_human()
    human.register()
    human.enroll()
    human.follow("I have kept them")
    human.open("/ui/confirm?next=/ui/codes/new")
    human.at("/ui/codes/new")  # the proof is fresh: nobody is asked twice
