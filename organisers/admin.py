"""Organisers' accounts and invitations on the desk."""

from typing import Any, ClassVar

from django.conf import settings
from django.contrib import admin, messages
from django.contrib.auth import get_user_model
from django.contrib.auth.admin import UserAdmin
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _
from django_otp.plugins.otp_static.models import StaticDevice
from django_otp_webauthn.models import WebAuthnCredential

from organisers import inviting, leaving, verifying
from organisers.forms import InvitationForm
from organisers.models import Invitation, InvitationQuerySet
from outbox.admin import OutgoingMailAdmin
from outbox.confirming import confirmed

# Their pages show secrets, and would be a second way to add a factor.
for model in (StaticDevice, WebAuthnCredential):
    if admin.site.is_registered(model):
        admin.site.unregister(model)
admin.site.unregister(get_user_model())


class OwnersAlone(admin.ModelAdmin):
    def has_owner_permission(self, request: HttpRequest) -> bool:
        return leaving.is_owner(request.user)


@admin.register(get_user_model())
class OrganiserAdmin(OwnersAlone, UserAdmin):
    """Accounts: people make theirs by invitation, and lose it by one act that leaves nothing behind."""

    change_form_template = "admin/auth/user/organiser.html"
    list_display = ("username", "email", "is_active", "roles", "last_login")
    list_filter = ("is_active", "is_superuser", "groups")
    readonly_fields = ("is_active", "second_factor", "last_login", "date_joined")
    actions = ("let_go", "take_back", "reset_second_factor")

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).prefetch_related("groups")

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        (name, options), *others = super().get_fieldsets(request, obj)
        return (
            (name, {**options, "fields": (*options["fields"], "second_factor")}),
            # What people may do follows from their roles alone.
            *(
                (title, {**more, "fields": [one for one in more["fields"] if one != "user_permissions"]})
                for title, more in others
            ),
        )

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    @admin.display(description=_("roles"))
    def roles(self, user: Any) -> str:
        return ", ".join(group.name for group in user.groups.all())

    @admin.display(description=_("second factor"))
    def second_factor(self, user: Any) -> str:
        return ", ".join(device.name for device in verifying.factors(user)) or str(_("none yet"))

    @confirmed(
        description=_("Let go: close the account and end its sessions"),
        question=_(
            "These people are out at once, wherever they are logged in. Their password, second factors and open "
            "invitations are gone. What they did stays under their name."
        ),
        changes=lambda rows: rows.filter(is_active=True),
        permissions=("owner",),
    )
    def let_go(self, request: HttpRequest, queryset: Any) -> int:
        done = 0
        for user in self._others(request, queryset):
            try:
                leaving.let_go(user)
                done += 1
            except leaving.LastOwner:
                self.message_user(request, _("The last owner stays: nobody could let anybody in."), messages.ERROR)
        return done

    @confirmed(
        description=_("Take back: open the account again"),
        question=_(
            "These people may come in again once you have set a password for each of them, and they a second factor."
        ),
        changes=lambda rows: rows.filter(is_active=False),
        permissions=("owner",),
    )
    def take_back(self, request: HttpRequest, queryset: Any) -> int:
        return int(queryset.update(is_active=True))

    @confirmed(
        description=_("Reset the second factor"),
        question=_(
            "Who lost phone and recovery codes sets up a new second factor at the next login, with the password alone. "
            "So does whoever else knows the password: ask the person face to face, or by phone. All their sessions end."
        ),
        changes=lambda rows: rows.filter(is_active=True),
        permissions=("owner",),
    )
    def reset_second_factor(self, request: HttpRequest, queryset: Any) -> int:
        return len([leaving.reset_second_factor(user) for user in self._others(request, queryset)])

    def _others(self, request: HttpRequest, queryset: Any) -> list[Any]:
        """Return those of the people who are not the one who asks."""
        people = list(queryset)
        if any(user.pk == request.user.pk for user in people):
            self.message_user(
                request,
                _("Your own account was left alone: another owner does that. Your second factors you change yourself."),
                messages.ERROR,
            )
        return [user for user in people if user.pk != request.user.pk]


@admin.register(Invitation)
class InvitationAdmin(OwnersAlone, OutgoingMailAdmin):
    """Who is invited, and who has come."""

    form = InvitationForm
    list_display = ("email", "standing", "expires_at", "invited_by", "state")
    list_filter: ClassVar = ("state", "created_at")
    list_select_related = ("invited_by", "user")
    search_fields: ClassVar = ()
    filter_horizontal = ("roles",)
    actions = ("send_again", "settle_as_accepted", "withdraw")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return leaving.is_owner(request.user)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return ["standing", "roles", *super().get_readonly_fields(request, obj)] if obj else []

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return super().get_fields(request, obj) if obj else ("email", "roles", "language")

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:  # noqa: FBT001
        user: Any = request.user
        obj.invited_by = user
        token = inviting.invite(obj)
        if not settings.MAIL_LIVE:
            text = _("This site is a sandbox: no mail leaves it. Give the person this link yourself: {}")
            self.message_user(request, format_html(str(text), inviting.link(token)), messages.WARNING)

    @admin.display(description=_("standing"))
    def standing(self, invitation: Invitation) -> str:
        return str(invitation.standing)

    def about(self, mail: Any) -> str:
        return f"{mail.standing}"

    @confirmed(
        description=_("Withdraw invitations"),
        question=_("Their links let nobody in any more."),
        changes=InvitationQuerySet.open,
        permissions=("owner",),
    )
    def withdraw(self, request: HttpRequest, queryset: Any) -> int:
        return inviting.withdraw(queryset)
