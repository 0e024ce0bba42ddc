create role ilot login password '$ilot_password';
grant pg_monitor to ilot; -- the doctor sees standbys
create database ilot owner ilot;
revoke all on database ilot from public;
